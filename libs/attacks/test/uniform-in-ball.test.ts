import { RandomStream } from '@percept/tensor';
import { describe, expect, it } from 'vitest';
import { norm, uniformInBall } from '../src/index.js';

/** Largest gap between the empirical distribution of `values` in [0, 1] and the uniform one. */
function kolmogorovDistance(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.max(...sorted.map((value, i) => Math.max(value - i / sorted.length, (i + 1) / sorted.length - value)));
}

describe('uniformInBall', () => {
  const draws = 3000;
  // Kolmogorov-Smirnov at a level of 1e-4 for 3,000 draws.
  const critical = 2.23 / Math.sqrt(draws);

  it.each([1, 1.5, 2, 3, 12, Number.POSITIVE_INFINITY])(
    'fills the l_%d ball evenly by radius, and both halves alike',
    (p) => {
      const dimensions = 3;
      const stream = new RandomStream({ seed: 1000, purpose: 'test' });
      const volumes: number[] = [];
      let positive = 0;
      for (let i = 0; i < draws; i++) {
        const point = uniformInBall(dimensions, p, 0.3, stream);
        volumes.push((norm(point, p) / 0.3) ** dimensions);
        if ((point[0] as number) > 0) positive++;
      }
      expect(Math.max(...volumes)).toBeLessThanOrEqual(1 + 1e-12);
      expect(kolmogorovDistance(volumes)).toBeLessThan(critical);
      expect(Math.abs(positive / draws - 0.5)).toBeLessThan(0.04);
    },
  );

  it('agrees with points of the cube that happen to lie in the l_1.5 ball', () => {
    const stream = new RandomStream({ seed: 7000, purpose: 'test' });
    const direct: number[] = [];
    const rejected: number[] = [];
    while (direct.length < draws) direct.push(Math.abs(uniformInBall(2, 1.5, 1, stream)[0] as number));
    while (rejected.length < draws) {
      const point = [2 * stream.nextUniform() - 1, 2 * stream.nextUniform() - 1];
      if (norm(point, 1.5) <= 1) rejected.push(Math.abs(point[0] as number));
    }
    const reference = rejected.toSorted((a, b) => a - b);
    const ranks = direct.map((value) => reference.filter((other) => other <= value).length / draws);
    expect(kolmogorovDistance(ranks)).toBeLessThan(critical * Math.SQRT2);
  });
});
