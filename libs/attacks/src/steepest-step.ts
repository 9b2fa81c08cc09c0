import { dualExponent } from './norms.js';

/** A unit step and what the gradient was like. */
export interface SteepestStep {
  /** The maximiser of <u, gradient> over ||u||_p <= 1, or zeros where the gradient vanishes. */
  readonly step: Float32Array;
  /** True where the gradient is zero (or not finite) everywhere, so that no direction is steepest. */
  readonly zeroGradient: boolean;
  /** For p = 1, how many further coordinates share the largest magnitude; the lowest index is taken. Otherwise 0. */
  readonly ties: number;
}

/**
 * The exact steepest ascent direction of unit l_p norm: phi_{q-1}(g) / ||phi_{q-1}(g)||_p with 1/p + 1/q = 1 (Appendix E).
 *
 * `gradient` is one image's gradient, flattened; `p` lies in [1, Infinity]. p = Infinity gives sign(g) with sign(0) = 0;
 * p = 1 gives the signed unit vector of the largest |g|, ties to the lowest index. Entries that are not finite count as 0.
 */
export function steepestStep(gradient: Float32Array, p: number): SteepestStep {
  const step = new Float32Array(gradient.length);
  let largest = 0;
  let largestIndex = -1;
  let ties = 0;
  for (let i = 0; i < gradient.length; i++) {
    const magnitude = Math.abs(gradient[i] as number);
    if (magnitude > largest && magnitude < Number.POSITIVE_INFINITY) {
      largest = magnitude;
      largestIndex = i;
      ties = 0;
    } else if (magnitude === largest && largest > 0) ties++;
  }
  if (largestIndex < 0) return { step, zeroGradient: true, ties: 0 };

  if (p === 1) {
    step[largestIndex] = Math.sign(gradient[largestIndex] as number);
    return { step, zeroGradient: false, ties };
  }
  if (p === Number.POSITIVE_INFINITY) {
    for (let i = 0; i < gradient.length; i++) {
      const g = gradient[i] as number;
      step[i] = Number.isFinite(g) ? Math.sign(g) : 0;
    }
    return { step, zeroGradient: false, ties: 0 };
  }

  // Dividing by the largest entry first keeps |g|^(q-1) in range: q - 1 = 1 / (p - 1) is unbounded as p nears 1.
  const exponent = dualExponent(p) - 1;
  const powers = new Float64Array(gradient.length);
  let sum = 0;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i] as number;
    if (!Number.isFinite(g)) continue;
    const power = (Math.abs(g) / largest) ** exponent;
    powers[i] = Math.sign(g) * power;
    sum += power ** p;
  }
  const scale = 1 / sum ** (1 / p);
  for (let i = 0; i < gradient.length; i++) step[i] = (powers[i] as number) * scale;
  return { step, zeroGradient: false, ties: 0 };
}
