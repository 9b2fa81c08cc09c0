import { RandomStream } from '@percept/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterBootstrap } from '../src/index.js';

describe('clusterBootstrap', () => {
  it('gives the mean, inside its interval, the same for the same seed and another for another', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: -9, max: 9, noNaN: true }), fc.integer({ min: 0, max: 9 })), {
          minLength: 1,
          maxLength: 40,
        }),
        (pairs) => {
          const values = pairs.map(([value]) => value);
          const clusters = pairs.map(([, cluster]) => cluster);
          const found = clusterBootstrap(values, clusters, { seed: 3, resamples: 100 });
          expect(found.estimate).toBeCloseTo(values.reduce((sum, value) => sum + value, 0) / values.length, 9);
          expect(found.clusters).toBe(new Set(clusters).size);
          expect(found.lower).toBeLessThanOrEqual(found.upper);
          expect(found.lower).toBeGreaterThanOrEqual(Math.min(...values) - 1e-9);
          expect(found.upper).toBeLessThanOrEqual(Math.max(...values) + 1e-9);
          expect(clusterBootstrap(values, clusters, { seed: 3, resamples: 100 })).toEqual(found);
        },
      ),
      { seed: 5, numRuns: 50 },
    );
  });

  it('is as wide as the clusters differ, however alike their members are', () => {
    const values = Array.from({ length: 400 }, (_, i) => Number(i % 4 < 2));
    const together = clusterBootstrap(
      values,
      values.map((_, i) => i % 4),
      { seed: 1 },
    );
    const apart = clusterBootstrap(
      values,
      values.map((_, i) => i),
      { seed: 1 },
    );
    expect(together.upper - together.lower).toBeGreaterThan(0.9);
    expect(apart.upper - apart.lower).toBeLessThan(0.12);
  });

  it('covers the true mean of many independent clusters about 95 times of 100', () => {
    let covered = 0;
    for (let round = 0; round < 200; round++) {
      const stream = new RandomStream({ seed: 7, purpose: 'coverage', sample: round });
      const values = Array.from({ length: 60 }, () => stream.nextNormal());
      const { lower, upper } = clusterBootstrap(
        values,
        values.map((_, i) => i),
        { seed: round, resamples: 300 },
      );
      covered += Number(lower <= 0 && upper >= 0);
    }
    expect(covered).toBeGreaterThanOrEqual(178);
    expect(covered).toBeLessThanOrEqual(199);
  });

  it.each([
    [[], [], 1_000],
    [[1], [1, 2], 1_000],
    [[1], [1], 99],
  ])('refuses %j in clusters %j with %i resamplings', (values, clusters, resamples) => {
    expect(() => clusterBootstrap(values, clusters, { seed: 0, resamples })).toThrow(RangeError);
  });
});
