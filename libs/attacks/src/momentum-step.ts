import { pixelBox } from './box.js';
import { linfBounds } from './pgd-step.js';
import { type Projection, projectBallAndBox } from './project-ball-and-box.js';
import { steepestStep } from './steepest-step.js';

/** Moves an iterate by a projected steepest step of `length`, weighed with the move before: weight 1 takes the step alone. */
export type MomentumStepper = (
  iterate: Float32Array,
  previous: Float32Array,
  gradient: Float32Array,
  length: number,
  weight: number,
) => Float32Array;

/**
 * APGD's step (Croce and Hein, 2020, section 3.1): z = P(x + length * steepest(g)), then P(x + weight (z - x) + (1 - weight)(x - previous)).
 *
 * P projects on the l_p ball of radius `epsilon` around `centre` and on the box [0, 1]; every iterate it returns is feasible to the last bit.
 */
export function createMomentumStepper(
  centre: Float32Array,
  epsilon: number,
  p: number,
  projection: Projection,
): MomentumStepper {
  return p === Number.POSITIVE_INFINITY && epsilon < Number.POSITIVE_INFINITY
    ? linfMomentum(centre, epsilon)
    : generalMomentum(centre, epsilon, p, projection);
}

function linfMomentum(centre: Float32Array, epsilon: number): MomentumStepper {
  const { lower, upper } = linfBounds(centre, epsilon, pixelBox);
  return (iterate, previous, gradient, length, weight) => {
    const next = new Float32Array(iterate.length);
    for (let i = 0; i < iterate.length; i++) {
      const x = iterate[i] as number;
      const g = gradient[i] as number;
      const low = lower[i] as number;
      const high = upper[i] as number;
      const z = Math.min(Math.max(x + length * (Number(g > 0) - Number(g < 0)), low), high);
      const y = x + weight * (z - x) + (1 - weight) * (x - (previous[i] as number));
      next[i] = Math.fround(Math.min(Math.max(y, low), high));
    }
    return next;
  };
}

function generalMomentum(centre: Float32Array, epsilon: number, p: number, projection: Projection): MomentumStepper {
  const project = (point: Float32Array): Float32Array =>
    projectBallAndBox(point, centre, epsilon, p, pixelBox, projection);
  return (iterate, previous, gradient, length, weight) => {
    const { step } = steepestStep(gradient, p);
    const stepped = project(step.map((s, i) => (iterate[i] as number) + length * s));
    if (weight === 1) return stepped;
    return project(
      stepped.map((z, i) => {
        const x = iterate[i] as number;
        return x + weight * (z - x) + (1 - weight) * (x - (previous[i] as number));
      }),
    );
  };
}
