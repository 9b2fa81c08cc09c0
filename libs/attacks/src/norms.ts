/** The exponent q of the dual norm: 1/p + 1/q = 1. `p` in [1, Infinity]. */
export function dualExponent(p: number): number {
  if (p === 1) return Number.POSITIVE_INFINITY;
  if (p === Number.POSITIVE_INFINITY) return 1;
  return p / (p - 1);
}

/** The l_p norm of `values`, accumulated in float64 and scaled by the largest entry so that no power overflows. `p` in [1, Infinity]. */
export function norm(values: ArrayLike<number>, p: number): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i] as number);
    if (magnitude > largest || Number.isNaN(magnitude)) largest = magnitude;
  }
  if (p === Number.POSITIVE_INFINITY || largest === 0 || !Number.isFinite(largest)) return largest;
  let sum = 0;
  if (p === 1) {
    for (let i = 0; i < values.length; i++) sum += Math.abs(values[i] as number);
    return sum;
  }
  for (let i = 0; i < values.length; i++) sum += (Math.abs(values[i] as number) / largest) ** p;
  return largest * sum ** (1 / p);
}

/** The l_p distance between two rows of equal length, differences and sums in float64. `p` in [1, Infinity]. */
export function distance(a: ArrayLike<number>, b: ArrayLike<number>, p: number): number {
  const difference = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) difference[i] = (a[i] as number) - (b[i] as number);
  return norm(difference, p);
}
