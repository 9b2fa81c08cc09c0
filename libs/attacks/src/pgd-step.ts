import { type Box, pixelBox, unboundedBox } from './box.js';
import { boxAwareL1Step } from './box-aware-l1-step.js';
import { roundTowardCentre } from './float32-toward.js';
import type { PgdOptions } from './pgd-options.js';
import { projectBallAndBox } from './project-ball-and-box.js';
import { steepestStep } from './steepest-step.js';

/** What one step did to an iterate. */
export interface StepOutcome {
  readonly next: Float32Array;
  readonly zeroGradient: boolean;
  /** False where the iterate is a fixed point of the step: every further step would repeat it. */
  readonly moved: boolean;
}

/** Moves one image's iterate along its ascent gradient and back onto ball and box. */
export type Stepper = (iterate: Float32Array, gradient: Float32Array) => StepOutcome;

/**
 * The step of Eq. 2.3 for one image: x <- P(x + length * steepest(gradient)), with the constraint set around `centre` fixed once.
 *
 * `epsilon` and `length` are in pixel units; `centre` lies in the box.
 */
export function createStepper(centre: Float32Array, epsilon: number, length: number, options: PgdOptions): Stepper {
  const box = options.box === null ? unboundedBox : pixelBox;
  return options.norm === Number.POSITIVE_INFINITY
    ? linfStepper(centre, epsilon, length, box)
    : generalStepper(centre, epsilon, length, box, options);
}

/** The smallest and largest float32 value of every pixel within an l_inf ball around `centre` and the box. */
export function linfBounds(
  centre: Float32Array,
  epsilon: number,
  box: Box,
): { readonly lower: Float32Array; readonly upper: Float32Array } {
  const lower = new Float32Array(centre.length);
  const upper = new Float32Array(centre.length);
  for (let i = 0; i < centre.length; i++) {
    const c = centre[i] as number;
    lower[i] = Math.max(box.lower, roundTowardCentre(c, -epsilon));
    upper[i] = Math.min(box.upper, roundTowardCentre(c, epsilon));
  }
  return { lower, upper };
}

function linfStepper(centre: Float32Array, epsilon: number, length: number, box: Box): Stepper {
  const { lower, upper } = linfBounds(centre, epsilon, box);
  const step: Stepper = (iterate, gradient) => {
    const next = new Float32Array(iterate.length);
    let directions = 0;
    let moves = 0;
    let poison = 0;
    // Without branches on the gradient's sign, which no branch predictor can guess: this loop runs once per pixel and step.
    for (let i = 0; i < iterate.length; i++) {
      const g = gradient[i] as number;
      const x = iterate[i] as number;
      const direction = Number(g > 0) - Number(g < 0);
      const y = Math.fround(Math.min(Math.max(x + length * direction, lower[i] as number), upper[i] as number));
      next[i] = y;
      directions += Math.abs(direction);
      moves += Number(y !== x);
      poison += g * 0;
    }
    if (Number.isNaN(poison)) return step(iterate, finiteOnly(gradient));
    return { next, zeroGradient: directions === 0, moved: moves > 0 };
  };
  return step;
}

/** Entries that are not finite count as 0, as in `steepestStep`. */
function finiteOnly(gradient: Float32Array): Float32Array {
  return gradient.map((g) => (Number.isFinite(g) ? g : 0));
}

function generalStepper(centre: Float32Array, epsilon: number, length: number, box: Box, options: PgdOptions): Stepper {
  const boxAware = options.norm === 1 && options.stepRule === 'box-aware';
  return (iterate, gradient) => {
    const { step, zeroGradient } = steepestStep(gradient, options.norm);
    if (zeroGradient) return { next: iterate, zeroGradient, moved: false };
    const target = new Float32Array(iterate.length);
    if (boxAware) {
      const move = boxAwareL1Step(iterate, gradient, length, box);
      for (let i = 0; i < target.length; i++) target[i] = (iterate[i] as number) + (move[i] as number);
    } else {
      for (let i = 0; i < target.length; i++) target[i] = (iterate[i] as number) + length * (step[i] as number);
    }
    const next = projectBallAndBox(target, centre, epsilon, options.norm, box, options.projection);
    const moved = next.some((value, i) => value !== iterate[i]);
    return { next, zeroGradient: false, moved };
  };
}
