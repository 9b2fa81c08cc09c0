/**
 * Smooths a line by an exponential moving average without the pull towards zero at its start.
 * s_t = w s_(t-1) + (1 - w) y_t, shown as s_t / (1 - w^t); a value that is not finite is passed on and not averaged.
 * `weight` is in [0, 1): 0 changes nothing.
 */
export function smooth(values: readonly number[], weight: number): number[] {
  let sum = 0;
  let correction = 1;
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    correction *= weight;
    return sum / (1 - correction);
  });
}
