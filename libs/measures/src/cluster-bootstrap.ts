import { RandomStream } from '@percept/tensor';

/** A mean with the interval that resampling gives it. */
export interface Estimate {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
  /** Values, and the clusters that were resampled. */
  readonly n: number;
  readonly clusters: number;
}

/** How an interval is resampled. */
export interface BootstrapOptions {
  /** Resamplings, 100 .. 100,000; default 1,000. */
  readonly resamples?: number;
  readonly seed: number;
}

/**
 * The mean of `values` with a percentile bootstrap interval of 95 % that draws whole clusters with replacement (Davison and Hinkley, 1997, section 3.8):
 * values of one class are not independent, classes nearly are.
 *
 * `clusters` holds one label per value. A pure function of the values, the clusters and the seed. Throws RangeError where there are no values
 * or `resamples` is out of range.
 */
export function clusterBootstrap(
  values: ArrayLike<number>,
  clusters: ArrayLike<number>,
  { resamples = 1_000, seed }: BootstrapOptions,
): Estimate {
  if (values.length === 0 || values.length !== clusters.length)
    throw new RangeError(`no mean of ${values.length} values in ${clusters.length} clusters`);
  if (!(Number.isInteger(resamples) && resamples >= 100 && resamples <= 100_000))
    throw new RangeError(`resamples must be an integer from 100 to 100,000, got ${resamples}`);
  const members = new Map<number, { sum: number; count: number }>();
  for (let i = 0; i < values.length; i++) {
    const cluster = clusters[i] as number;
    const known = members.get(cluster) ?? { sum: 0, count: 0 };
    members.set(cluster, { sum: known.sum + (values[i] as number), count: known.count + 1 });
  }
  const drawn = [...members.values()];
  const total = drawn.reduce((sum, cluster) => sum + cluster.sum, 0);
  const means = Float64Array.from({ length: resamples }, (_, resample) => {
    const stream = new RandomStream({ seed, purpose: 'cluster bootstrap', sample: resample });
    let sum = 0;
    let count = 0;
    for (let draw = 0; draw < drawn.length; draw++) {
      const cluster = drawn[stream.nextInteger(drawn.length)] as { sum: number; count: number };
      sum += cluster.sum;
      count += cluster.count;
    }
    return sum / count;
  });
  return { estimate: total / values.length, ...middle95(means), n: values.length, clusters: drawn.length };
}

/** The 2.5 % and 97.5 % quantiles of at least one value, interpolated between order statistics. */
export function middle95(values: Float64Array): { lower: number; upper: number } {
  const sorted = values.slice().sort();
  const quantile = (share: number): number => {
    const at = share * (sorted.length - 1);
    const below = sorted[Math.floor(at)] as number;
    return below + (at - Math.floor(at)) * ((sorted[Math.ceil(at)] as number) - below);
  };
  return { lower: quantile(0.025), upper: quantile(0.975) };
}
