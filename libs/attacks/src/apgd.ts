import { RandomStream } from '@percept/tensor';
import { pixelBox } from './box.js';
import { type Aim, judge, type LossName } from './losses.js';
import { createMomentumStepper } from './momentum-step.js';
import { norm } from './norms.js';
import { type Projection, projectBallAndBox } from './project-ball-and-box.js';
import type { Search, SearchPart, SearchProblem } from './search.js';
import { uniformInBall } from './uniform-in-ball.js';

/** What one run of APGD raises, how long, and under which name. */
export interface ApgdRun {
  /** Name on its witnesses and in the key of its random start. */
  readonly attack: string;
  readonly aim: Aim;
  readonly loss: LossName;
  /** Gradient steps. */
  readonly steps: number;
  readonly restart: number;
  /** Weight of the step against the move before it, in (0, 1]; 0.75 in the paper. */
  readonly momentum: number;
  /** Share of improving steps below which the step is halved at a checkpoint; 0.75 in the paper. */
  readonly rho: number;
  readonly projection: Projection;
}

/**
 * Auto-PGD (Croce and Hein, 2020, algorithm 1) for every p > 1: one run from a random point of the sphere.
 *
 * The step begins at 2 epsilon; at checkpoints (after 0.22 of the steps, then at intervals 0.03 shorter down to 0.06) it is halved, and the run taken back to its best
 * point, where too few steps improved the objective or the last interval brought nothing at an unchanged step. For p = 1 see `sparseApgd`.
 */
export function* apgd(problem: SearchProblem, run: ApgdRun): Search {
  const { attack, aim, loss, steps, restart, momentum } = run;
  const direction = { kind: 'loss', aim, loss } as const;
  const stepper = createMomentumStepper(problem.image, problem.epsilon, problem.norm, run.projection);
  const pass = (point: Float32Array, step: number) => ({ point, withinBudget: true, attack, restart, step });
  let success = false;
  let point = sphereStart(problem, attack, restart);
  let previous = point;
  let seen = yield { ...pass(point, 0), direction };
  success ||= seen.reached;
  let gradient = seen.gradient;
  let objective = objectiveOf(seen.logits, run);
  let best = { point, gradient, objective };
  const checkpoints = new Checkpoints(steps, run.rho, objective);
  let length = 2 * problem.epsilon;
  for (let step = 1; step <= steps; step++) {
    const next = stepper(point, previous, gradient, length, step === 1 ? 1 : momentum);
    previous = point;
    point = next;
    seen = yield step === steps ? pass(point, step) : { ...pass(point, step), direction };
    success ||= seen.reached;
    if (step === steps) break;
    gradient = seen.gradient;
    const before = objective;
    objective = objectiveOf(seen.logits, run);
    if (objective > best.objective) best = { point, gradient, objective };
    if (checkpoints.halves(objective > before, best.objective)) {
      length /= 2;
      ({ point, gradient, objective } = best);
    }
  }
  return success;
}

/** When APGD halves its step. */
class Checkpoints {
  readonly #rho: number;
  readonly #shortest: number;
  readonly #shortening: number;
  #interval: number;
  #taken = 0;
  #improving = 0;
  #bestAtLast: number;
  #halvedAtLast = true;

  constructor(steps: number, rho: number, objective: number) {
    this.#rho = rho;
    this.#interval = Math.max(Math.trunc(0.22 * steps), 1);
    this.#shortest = Math.max(Math.trunc(0.06 * steps), 1);
    this.#shortening = Math.max(Math.trunc(0.03 * steps), 1);
    this.#bestAtLast = objective;
  }

  /** Notes one step; true at a checkpoint where the step is to be halved. */
  halves(improved: boolean, best: number): boolean {
    this.#taken++;
    this.#improving += Number(improved);
    if (this.#taken < this.#interval) return false;
    const oscillates = this.#improving <= this.#rho * this.#interval;
    const stands = !this.#halvedAtLast && this.#bestAtLast >= best;
    this.#halvedAtLast = oscillates || stands;
    this.#bestAtLast = best;
    this.#taken = 0;
    this.#improving = 0;
    this.#interval = Math.max(this.#interval - this.#shortening, this.#shortest);
    return this.#halvedAtLast;
  }
}

/** The objective that a run raises: its loss for an untargeted aim, the loss's negative for a targeted one. */
function objectiveOf(logits: Float32Array, { aim, loss }: ApgdRun): number {
  const value = judge(logits, 0, logits.length, aim, loss).loss;
  return aim.kind === 'untargeted' ? value : -value;
}

/** A random point at distance epsilon from the image, clamped to the box: AutoAttack's law for p = 2 and p = Infinity. */
function sphereStart({ image, norm: p, epsilon, seed, sampleId }: SearchProblem, attack: string, restart: number) {
  const stream = new RandomStream({ seed, purpose: `start of ${attack}`, sample: sampleId, restart });
  const direction = uniformInBall(image.length, p, 1, stream);
  const scale = epsilon / norm(direction, p);
  const target = image.map((x, i) => Math.min(Math.max(x + scale * (direction[i] as number), 0), 1));
  return projectBallAndBox(target, image, epsilon, p, pixelBox, 'sequential');
}

/**
 * Auto-PGD for p = 1 (Croce and Hein, 2021): steps of sign(g) on the largest entries of the gradient, projected exactly on ball and box, while the budget shrinks
 * from 3 epsilon over 2 epsilon to epsilon in 30, 30 and 40 % of the steps.
 *
 * How many entries move follows the sparsity of the best point so far; the step is epsilon, divided by 1.5 at every checkpoint (each 4 % of a phase's steps) that leaves the
 * sparsity as it is, and set back, with the best point, at one that does not.
 */
export function* sparseApgd(problem: SearchProblem, run: ApgdRun): Search {
  const phases = [3, 2, 1].map((factor) => factor * problem.epsilon);
  const first = Math.ceil(0.3 * run.steps);
  const lengths = [first, first, Math.max(run.steps - 2 * first, 1)];
  let point = sparseStart(problem, run, phases[0] as number);
  let step = 0;
  let success = false;
  for (const [phase, epsilon] of phases.entries()) {
    const steps = lengths[phase] as number;
    const ended = yield* sparsePhase(problem, run, point, epsilon, steps, step, phase === 0);
    point = ended.point;
    success ||= ended.success;
    step += steps;
  }
  return success;
}

interface PhaseEnd {
  readonly point: Float32Array;
  readonly success: boolean;
}

function* sparsePhase(
  problem: SearchProblem,
  run: ApgdRun,
  start: Float32Array,
  epsilon: number,
  steps: number,
  firstStep: number,
  isFirst: boolean,
): SearchPart<PhaseEnd> {
  const { image } = problem;
  const size = image.length;
  const direction = { kind: 'loss', aim: run.aim, loss: run.loss } as const;
  const withinBudget = epsilon <= problem.epsilon;
  const interval = Math.max(Math.trunc(0.04 * steps), 1);
  const ask = (point: Float32Array, step: number) => {
    return { point, direction, withinBudget, attack: run.attack, restart: run.restart, step: firstStep + step };
  };
  const changed = (point: Float32Array): number =>
    point.reduce((count, x, i) => count + Number(x !== (image[i] as number)), 0);
  let point = projectBallAndBox(start, image, epsilon, 1, pixelBox, 'exact');
  let share = isFirst ? 0.2 : changed(point) / size / 1.5;
  let sparsity = isFirst ? size : changed(point);
  let seen = yield ask(point, 0);
  let success = seen.reached && withinBudget;
  let gradient = seen.gradient;
  let best = { point, gradient, objective: objectiveOf(seen.logits, run) };
  let length = epsilon;
  for (let step = 1; step <= steps; step++) {
    point = sparseStep(image, point, gradient, epsilon, length, share);
    seen = yield ask(point, step);
    success ||= seen.reached && withinBudget;
    gradient = seen.gradient;
    const objective = objectiveOf(seen.logits, run);
    if (objective > best.objective) best = { point, gradient, objective };
    if (step % interval !== 0) continue;
    const now = changed(best.point);
    const sparser = now / sparsity < 0.95;
    share = now / size / 1.5;
    length = sparser ? epsilon : Math.max(length / 1.5, epsilon / 10);
    sparsity = now;
    if (sparser) ({ point, gradient } = best);
  }
  return { point: best.point, success };
}

/** Moves the `share` of entries with the largest |g| by equal amounts, `length` in all, and projects. */
function sparseStep(
  image: Float32Array,
  point: Float32Array,
  gradient: Float32Array,
  epsilon: number,
  length: number,
  share: number,
): Float32Array {
  const size = gradient.length;
  const magnitudes = gradient.map(Math.abs).sort();
  const rank = Math.trunc(Math.min(Math.max((1 - share) * size, 0), size - 1));
  const threshold = magnitudes[rank] as number;
  const moves = gradient.map((g) => (Math.abs(g) >= threshold ? Math.sign(g) : 0));
  const count = moves.reduce((sum, move) => sum + Math.abs(move), 0);
  if (count === 0) return point;
  const target = point.map((x, i) => x + (length * (moves[i] as number)) / count);
  return projectBallAndBox(target, image, epsilon, 1, pixelBox, 'exact');
}

function sparseStart({ image, seed, sampleId }: SearchProblem, { attack, restart }: ApgdRun, epsilon: number) {
  const stream = new RandomStream({ seed, purpose: `start of ${attack}`, sample: sampleId, restart });
  const target = image.map((x) => x + stream.nextNormal());
  return projectBallAndBox(target, image, epsilon, 1, pixelBox, 'exact');
}
