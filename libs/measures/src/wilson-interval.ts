/** A proportion with its confidence interval. */
export interface Proportion {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
  readonly n: number;
}

/** The 97.5 % quantile of the standard normal distribution, for two-sided 95 % intervals. */
const z95 = 1.959963984540054;

/** `count` of `n` with Wilson's (1927) score interval of 95 %. `n` must be at least 1. */
export function wilsonInterval(count: number, n: number): Proportion {
  if (!(n >= 1 && count >= 0 && count <= n)) throw new RangeError(`no proportion: ${count} of ${n}`);
  const estimate = count / n;
  const z2 = z95 ** 2;
  const centre = (estimate + z2 / (2 * n)) / (1 + z2 / n);
  const reach = (z95 / (1 + z2 / n)) * Math.sqrt((estimate * (1 - estimate)) / n + z2 / (4 * n * n));
  return {
    estimate,
    lower: count === 0 ? 0 : Math.max(0, centre - reach),
    upper: count === n ? 1 : Math.min(1, centre + reach),
    n,
  };
}
