import { RandomStream } from '@percept/tensor';
import { pixelBox } from './box.js';
import { type Aim, judge } from './losses.js';
import { norm } from './norms.js';
import { linfBounds } from './pgd-step.js';
import { projectBallAndBox } from './project-ball-and-box.js';
import type { Pass, Search, SearchProblem } from './search.js';
import { bump, type Corner, changedShare, randomCorner, randomSign } from './square-windows.js';

/** One run of the Square attack. */
export interface SquareRun {
  readonly attack: string;
  /** Proposals at most; one that changes nothing costs no pass. */
  readonly queries: number;
  readonly restart: number;
}

/** Proposes a first point, and from the best point so far the next. */
interface Proposals {
  first(stream: RandomStream): Float32Array;
  next(best: Float32Array, query: number, stream: RandomStream): Float32Array | undefined;
}

/**
 * The Square attack (Andriushchenko et al., 2020): random search by square windows, from scores alone, for p = 1, 2 and Infinity.
 *
 * A proposal is kept where it lowers the margin by which the goal is missed. The numbers of a query are keyed by (seed, sample, restart, query).
 */
export function* square(problem: SearchProblem, run: SquareRun): Search {
  const { seed, sampleId, aim } = problem;
  const { attack, restart, queries } = run;
  const streamOf = (step: number): RandomStream =>
    new RandomStream({ seed, purpose: attack, sample: sampleId, restart, step });
  const pass = (point: Float32Array, step: number): Pass => ({ point, withinBudget: true, attack, restart, step });
  const proposals =
    problem.norm === Number.POSITIVE_INFINITY ? linfProposals(problem) : movedMassProposals(problem, problem.norm);
  let best = proposals.first(streamOf(0));
  let seen = yield pass(best, 0);
  let margin = marginOf(seen.logits, aim);
  for (let query = 1; query <= queries && !seen.reached; query++) {
    const proposal = proposals.next(best, query - 1, streamOf(query));
    if (proposal === undefined) continue;
    seen = yield pass(proposal, query);
    const reachedMargin = marginOf(seen.logits, aim);
    if (reachedMargin > margin || seen.reached) {
      margin = reachedMargin;
      best = proposal;
    }
  }
  return seen.reached;
}

function marginOf(logits: Float32Array, aim: Aim): number {
  return judge(logits, 0, logits.length, aim, 'margin').margin;
}

/** Every pixel lies at a face of the ball; a proposal sets a window of each channel to one face. */
function linfProposals({ image, shape: [height, width, channels], epsilon }: SearchProblem): Proposals {
  const { lower, upper } = linfBounds(image, epsilon, pixelBox);
  const face = (sign: number, i: number): number => (sign > 0 ? upper[i] : lower[i]) as number;
  return {
    first: (stream) => {
      const signs = Array.from({ length: width * channels }, () => randomSign(stream));
      return image.map((_, i) => face(signs[i % (width * channels)] as number, i));
    },
    next: (best, query, stream) => {
      const side = clampSide(Math.round(Math.sqrt(changedShare(query) * height * width)), 1, height, width);
      const { row, column } = randomCorner(side, height, width, stream);
      const signs = Array.from({ length: channels }, () => randomSign(stream));
      const next = best.slice();
      let changes = 0;
      for (let y = row; y < row + side; y++) {
        for (let at = (y * width + column) * channels; at < (y * width + column + side) * channels; at++) {
          const value = face(signs[at % channels] as number, at);
          changes += Number(value !== next[at]);
          next[at] = value;
        }
      }
      return changes > 0 ? next : undefined;
    },
  };
}

/** For p = 1 and 2: the change is a mass of length epsilon; a proposal takes what one window holds and spends it, with what is unused, on another. */
function movedMassProposals(problem: SearchProblem, p: number): Proposals {
  const { image, shape, epsilon } = problem;
  const [height, width, channels] = shape;
  const decay = p === 1 ? 4 : 2;
  const place = (change: Float64Array): Float32Array => {
    if (p === 1) {
      return projectBallAndBox(
        image.map((x, i) => x + (change[i] as number)),
        image,
        epsilon,
        1,
        pixelBox,
        'exact',
      );
    }
    const scale = epsilon / Math.max(norm(change, p), Number.MIN_VALUE);
    const target = image.map((x, i) => Math.min(Math.max(x + scale * (change[i] as number), 0), 1));
    return projectBallAndBox(target, image, epsilon, p, pixelBox, 'sequential');
  };
  return {
    first: (stream) => {
      const change = new Float64Array(image.length);
      const side = Math.max(Math.floor(height / 5), 1);
      const margin = Math.max(Math.floor((height - side * 5) / 2), 0);
      for (let row = margin; row + side <= height; row += side) {
        for (let column = margin; column + side <= width; column += side) {
          const mass = unit(bump(side, decay, stream), p);
          for (let channel = 0; channel < channels; channel++) {
            const sign = randomSign(stream);
            visit({ row, column }, side, width, channels, channel, (at, within) => {
              change[at] = (change[at] as number) + sign * (mass[within] as number);
            });
          }
        }
      }
      return place(change);
    },
    next: (best, query, stream) => {
      const wanted = Math.max(Math.round(Math.sqrt(changedShare(query) * height * width)), 3);
      const side = clampSide(wanted + (1 - (wanted % 2)), 1, height, width);
      const to = randomCorner(side, height, width, stream);
      const from = randomCorner(side, height, width, stream);
      const mass = unit(bump(side, decay, stream), p);
      const change = Float64Array.from(best, (x, i) => x - (image[i] as number));
      const unused = Math.max(epsilon ** p - norm(change, p) ** p, 0);
      for (let channel = 0; channel < channels; channel++) {
        moveMass(change, { to, from, side, width, channels, channel }, mass, randomSign(stream), p, unused / channels);
      }
      return place(change);
    },
  };
}

interface Move {
  readonly to: Corner;
  readonly from: Corner;
  readonly side: number;
  readonly width: number;
  readonly channels: number;
  readonly channel: number;
}

/** Empties both windows of one channel and fills `to` with a bump added to what it held, as long as both windows and the share of the unused mass were together. */
function moveMass(
  change: Float64Array,
  { to, from, side, width, channels, channel }: Move,
  mass: Float64Array,
  sign: number,
  p: number,
  unused: number,
): void {
  const held = new Float64Array(side * side);
  let total = unused;
  const empty = (at: number): number => {
    const value = change[at] as number;
    total += Math.abs(value) ** p;
    change[at] = 0;
    return value;
  };
  visit(to, side, width, channels, channel, (at, within) => {
    held[within] = empty(at);
  });
  visit(from, side, width, channels, channel, (at) => {
    empty(at);
  });
  const before = norm(held, p);
  const mixed = held.map((value, i) => sign * (mass[i] as number) + (before > 0 ? value / before : 0));
  const scale = total ** (1 / p) / Math.max(norm(mixed, p), 1e-12);
  visit(to, side, width, channels, channel, (at, within) => {
    change[at] = scale * (mixed[within] as number);
  });
}

function visit(
  { row, column }: Corner,
  side: number,
  width: number,
  channels: number,
  channel: number,
  each: (at: number, within: number) => void,
): void {
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) each(((row + y) * width + column + x) * channels + channel, y * side + x);
  }
}

function unit(values: Float64Array, p: number): Float64Array {
  const length = norm(values, p);
  return length === 0 ? values : values.map((value) => value / length);
}

function clampSide(side: number, smallest: number, height: number, width: number): number {
  return Math.min(Math.max(side, smallest), height, width);
}
