import { RandomStream } from '@percept/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusteredShare, wilsonInterval } from '../src/index.js';

const alone = (values: readonly number[]): number[] => values.map((_, i) => i);

describe('clusteredShare', () => {
  it.each([0, 1])('is Wilson’s interval where all of 20 values are %d, in however few clusters', (value) => {
    const values = Array.from({ length: 20 }, () => value);
    const found = clusteredShare(
      values,
      values.map((_, i) => i % 10),
    );
    expect(found).toEqual({ ...wilsonInterval(20 * value, 20), clusters: 10 });
  });

  it('treats values that agree within their cluster as one', () => {
    const values = Array.from({ length: 400 }, (_, i) => Number(i % 40 < 20));
    const together = clusteredShare(
      values,
      values.map((_, i) => i % 40),
    );
    const { lower, upper } = wilsonInterval(20, 40);
    expect(together.lower).toBeCloseTo(lower, 1);
    expect(together.upper).toBeCloseTo(upper, 1);
    expect(clusteredShare(values, alone(values)).upper).toBeCloseTo(wilsonInterval(200, 400).upper, 3);
  });

  it('holds the mean and lies in [0, 1] for any values and clusters', () => {
    const pair = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.integer({ min: 0, max: 5 }));
    fc.assert(
      fc.property(fc.array(pair, { minLength: 1, maxLength: 40 }), (pairs) => {
        const { estimate, lower, upper } = clusteredShare(
          pairs.map(([value]) => value),
          pairs.map(([, cluster]) => cluster),
        );
        expect(lower).toBeLessThanOrEqual(estimate + 1e-9);
        expect(upper).toBeGreaterThanOrEqual(estimate - 1e-9);
        expect(lower).toBeGreaterThanOrEqual(0);
        expect(upper).toBeLessThanOrEqual(1);
      }),
      { seed: 5, numRuns: 200 },
    );
  });

  it('covers the true share nine times in ten or more where clusters differ', () => {
    const [share, clusters, size, runs] = [0.3, 10, 4, 500];
    let covered = 0;
    for (let run = 0; run < runs; run++) {
      const stream = new RandomStream({ seed: 7, purpose: 'coverage', sample: run });
      const values = Array.from({ length: clusters }, () =>
        stream.nextUniform() < 0.5 ? share - 0.2 : share + 0.2,
      ).flatMap((own) => Array.from({ length: size }, () => Number(stream.nextUniform() < own)));
      const { lower, upper } = clusteredShare(
        values,
        values.map((_, i) => Math.floor(i / size)),
      );
      covered += Number(lower <= share && share <= upper);
    }
    expect(covered / runs).toBeGreaterThan(0.9);
  });

  it.each([
    { name: 'no values', values: [] },
    { name: 'a value above one', values: [1.5] },
    { name: 'what is not a number', values: [Number.NaN] },
  ])('refuses $name', ({ values }) => {
    expect(() => clusteredShare(values, alone(values))).toThrow(RangeError);
  });
});
