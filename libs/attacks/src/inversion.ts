import type { PgdOptions } from './pgd-options.js';

/**
 * PGD's options for a model inversion: targeted, without a budget, clamped to the box, every step taken, best iterate kept.
 *
 * Attack the images of `inversionStarts` with them. The paper takes 2,048 steps of 2/255; steps are in pixel units here.
 */
export function inversionAsPgd(
  options: Partial<
    Pick<PgdOptions, 'norm' | 'step' | 'steps' | 'loss' | 'snapshotsEvery' | 'precision' | 'batchSize'>
  > = {},
): Partial<PgdOptions> {
  return {
    step: { kind: 'absolute', size: 2 / 255 },
    steps: 2048,
    ...options,
    epsilon: Number.POSITIVE_INFINITY,
    start: 'origin',
    restarts: 1,
    stop: 'all-steps',
    keep: 'best',
    box: [0, 1],
  };
}
