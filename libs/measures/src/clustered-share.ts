import type { Estimate } from './cluster-bootstrap.js';
import { wilsonInterval } from './wilson-interval.js';

/**
 * The mean of `values` in [0, 1] with Wilson's interval of 95 % at the effective sample size: n over the design effect, which is the variance that the
 * clusters show over that of independent values (Korn and Graubard, 1998; Dean and Pagano, 2015, recommend Wilson's form).
 *
 * Unlike a bootstrap, which has nothing to resample where all values are equal, it says how little a share of none or of all of n proves; there, and
 * where clusters agree more than chance, the size is n. `clusters` holds one label per value. Throws RangeError where there are no values or one lies
 * outside [0, 1].
 */
export function clusteredShare(values: ArrayLike<number>, clusters: ArrayLike<number>): Estimate {
  const n = values.length;
  if (n === 0 || n !== clusters.length) throw new RangeError(`no share of ${n} values in ${clusters.length} clusters`);
  const shares = Array.from(values);
  if (!shares.every((value) => value >= 0 && value <= 1)) throw new RangeError('a share is a mean of values in [0, 1]');
  const estimate = shares.reduce((sum, value) => sum + value, 0) / n;
  const residuals = new Map<number, number>();
  for (const [i, value] of shares.entries()) {
    const cluster = clusters[i] as number;
    residuals.set(cluster, (residuals.get(cluster) ?? 0) + value - estimate);
  }
  const m = residuals.size;
  const between = [...residuals.values()].reduce((sum, residual) => sum + residual ** 2, 0);
  const clustered = m > 1 ? (m / (m - 1)) * (between / n ** 2) : 0;
  const independent = (estimate * (1 - estimate)) / n;
  const effective = n / Math.max(1, independent > 0 ? clustered / independent : 1);
  const { lower, upper } = wilsonInterval(Math.min(estimate, 1) * effective, effective);
  return { estimate, lower, upper, n, clusters: m };
}
