import type { RandomStream } from '@percept/tensor';

/**
 * A point distributed uniformly in the l_p ball of radius `epsilon` around the origin, in float64.
 *
 * `length` is the number of dimensions, `p` in [1, Infinity], `epsilon` finite and >= 0. For finite p: with |g_i|^p ~ Gamma(1/p) and xi ~ Exp(1),
 * g / (||g||_p^p + xi)^(1/p) is uniform in the unit ball (Barthe, Guedon, Mendelson and Naor, 2005).
 */
export function uniformInBall(length: number, p: number, epsilon: number, stream: RandomStream): Float64Array {
  const point = new Float64Array(length);
  if (p === Number.POSITIVE_INFINITY) {
    for (let i = 0; i < length; i++) point[i] = epsilon * (2 * stream.nextUniform() - 1);
    return point;
  }
  let sum = 0;
  for (let i = 0; i < length; i++) {
    // Gamma(1/p) = Gamma(1 + 1/p) U^p, so that its p-th root needs no tiny power.
    const magnitude = gamma(1 + 1 / p, stream) ** (1 / p) * stream.nextUniform();
    sum += magnitude ** p;
    point[i] = stream.nextUniform() < 0.5 ? -magnitude : magnitude;
  }
  const exponential = -Math.log(1 - stream.nextUniform());
  const scale = epsilon / (sum + exponential) ** (1 / p);
  for (let i = 0; i < length; i++) point[i] = (point[i] as number) * scale;
  return point;
}

/** A Gamma(shape) variate for shape >= 1, by Marsaglia and Tsang's (2000) rejection. */
function gamma(shape: number, stream: RandomStream): number {
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const normal = stream.nextNormal();
    const cube = (1 + c * normal) ** 3;
    const u = 1 - stream.nextUniform();
    if (cube > 0 && Math.log(u) < 0.5 * normal * normal + d - d * cube + d * Math.log(cube)) return d * cube;
  }
}
