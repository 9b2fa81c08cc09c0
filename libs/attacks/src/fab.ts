import { RandomStream } from '@percept/tensor';
import { distance, norm } from './norms.js';
import { stepToHyperplane } from './project-hyperplane.js';
import type { Pass, Search, SearchProblem } from './search.js';
import { uniformInBall } from './uniform-in-ball.js';

/** One run of FAB towards the boundary with one class. */
export interface FabRun {
  readonly attack: string;
  /** The class whose boundary is sought. */
  readonly target: number;
  readonly steps: number;
  readonly restart: number;
  /** Begin at a random point within half the budget instead of at the image; needs a finite budget. */
  readonly randomStart: boolean;
}

const overshoot = 1.05;
const backwardStep = 0.9;
const largestPull = 0.1;

/**
 * The targeted Fast Adaptive Boundary attack (Croce and Hein, 2020, "Minimally distorted adversarial examples"): seeks the nearest point of another class.
 *
 * Each step goes to the linearised boundary with the target's class, within the box, pulled towards the boundary's point nearest to the image; a misclassified point
 * is taken back towards the image by a tenth. A point counts only within the problem's budget, which may be Infinity.
 */
export function* fab(problem: SearchProblem, run: FabRun): Search {
  const { image, norm: p, aim, epsilon } = problem;
  let point = run.randomStart ? randomStart(problem, run) : image;
  let nearest = Number.POSITIVE_INFINITY;
  let expectsSuccess = false;
  const pass = (step: number): Omit<Pass, 'direction'> => ({
    point,
    withinBudget: distance(point, image, p) <= epsilon,
    attack: run.attack,
    restart: run.restart,
    step,
  });
  const rivals =
    aim.kind === 'untargeted' ? () => aim.goalClass : (logits: Float32Array) => rivalOf(logits, run.target);
  let lower = rivals(problem.cleanLogits);
  let seen = yield { ...pass(0), direction: { kind: 'difference', raise: run.target, lower } };
  for (let step = 1; step <= run.steps; step++) {
    const difference = (seen.logits[run.target] as number) - (seen.logits[lower] as number);
    point = boundaryStep(image, point, seen.gradient, difference, p);
    // Near the boundary most points are misclassified, and the gradient is wanted only after the way back: one forward pass then does.
    const asked = pass(step);
    if (!expectsSuccess) lower = rivals(seen.logits);
    seen = yield expectsSuccess ? asked : { ...asked, direction: { kind: 'difference', raise: run.target, lower } };
    expectsSuccess = seen.reached;
    if (seen.reached) {
      nearest = Math.min(nearest, distance(point, image, p));
      point = point.map((x, i) => (image[i] as number) + backwardStep * (x - (image[i] as number)));
    }
    if (step === run.steps) break;
    if (seen.reached || seen.gradient.length === 0) {
      lower = rivals(seen.logits);
      seen = yield { ...pass(step), direction: { kind: 'difference', raise: run.target, lower } };
    }
  }
  return nearest <= epsilon;
}

function boundaryStep(
  image: Float32Array,
  point: Float32Array,
  gradient: Float32Array,
  difference: number,
  p: number,
): Float32Array {
  // The boundary's linearisation at `point` is difference + <gradient, x - point> = 0.
  let fromImage = difference;
  for (let i = 0; i < point.length; i++) {
    fromImage += (gradient[i] as number) * ((image[i] as number) - (point[i] as number));
  }
  const onward = stepToHyperplane(point, gradient, difference, p);
  const direct = stepToHyperplane(image, gradient, fromImage, p);
  const a = Math.max(norm(onward, p), 1e-8);
  const b = Math.max(norm(direct, p), 1e-8);
  const pull = Math.min(a / (a + b), largestPull);
  const target = new Float32Array(point.length);
  for (let i = 0; i < point.length; i++) {
    const next = (1 - pull) * ((point[i] as number) + overshoot * (onward[i] as number));
    const back = pull * ((image[i] as number) + overshoot * (direct[i] as number));
    target[i] = Math.min(Math.max(next + back, 0), 1);
  }
  return target;
}

function rivalOf(logits: Float32Array, target: number): number {
  let rival = target === 0 ? 1 : 0;
  for (let k = 0; k < logits.length; k++) {
    if (k !== target && (logits[k] as number) > (logits[rival] as number)) rival = k;
  }
  return rival;
}

function randomStart({ image, norm: p, epsilon, seed, sampleId }: SearchProblem, { attack, restart, target }: FabRun) {
  const stream = new RandomStream({ seed, purpose: `start of ${attack}`, sample: sampleId, restart, step: target });
  const offset = uniformInBall(image.length, p, epsilon / 2, stream);
  return image.map((x, i) => Math.min(Math.max(x + (offset[i] as number), 0), 1));
}
