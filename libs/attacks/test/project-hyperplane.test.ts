import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { norm } from '../src/index.js';
import { stepToHyperplane } from '../src/project-hyperplane.js';

const exponents = [1, 1.5, 2, 4, Number.POSITIVE_INFINITY];

/** A point of the box, a normal vector with zeros and ties, another point of the box, and how far to go. */
const problem = fc.integer({ min: 1, max: 10 }).chain((length) => {
  const pixel = fc.oneof(fc.constantFrom(0, 1, 0.5), fc.double({ min: 0, max: 1, noNaN: true }));
  const weight = fc.oneof(fc.constantFrom(0, 1, -1), fc.double({ min: -3, max: 3, noNaN: true }));
  const row = (value: fc.Arbitrary<number>) =>
    fc.array(value, { minLength: length, maxLength: length }).map((values) => Float32Array.from(values));
  return fc.record({
    point: row(pixel),
    w: row(weight),
    other: row(pixel),
    share: fc.double({ min: 0.01, max: 1, noNaN: true }),
    p: fc.constantFrom(...exponents),
  });
});

const dot = (w: Float32Array, d: ArrayLike<number>): number =>
  w.reduce((sum, value, i) => sum + value * (d[i] as number), 0);

describe('stepToHyperplane', () => {
  it('reaches the hyperplane within the box, and no shorter step does', () => {
    fc.assert(
      fc.property(problem, ({ point, w, other, share, p }) => {
        // The hyperplane is laid through a point of the box, which is itself a rival of the step.
        const rival = Float64Array.from(point, (x, i) => share * ((other[i] as number) - x));
        const excess = -dot(w, rival);
        fc.pre(Math.abs(excess) > 1e-6);
        const step = stepToHyperplane(point, w, excess, p);
        expect(Math.abs(dot(w, step) + excess)).toBeLessThan(1e-6 * (1 + Math.abs(excess)));
        for (const [i, d] of step.entries()) {
          expect((point[i] as number) + d).toBeGreaterThanOrEqual(-1e-12);
          expect((point[i] as number) + d).toBeLessThanOrEqual(1 + 1e-12);
        }
        expect(norm(step, p)).toBeLessThanOrEqual(norm(rival, p) * (1 + 1e-6));
        for (const q of exponents) {
          expect(norm(step, p)).toBeLessThanOrEqual(norm(stepToHyperplane(point, w, excess, q), p) * (1 + 1e-6));
        }
      }),
      { seed: 31, numRuns: 500 },
    );
  });

  it('goes to the nearest corner where the box does not reach the hyperplane', () => {
    for (const p of exponents) {
      const step = stepToHyperplane(Float32Array.of(0.25, 0.5, 1), Float32Array.of(1, -2, 0), 100, p);
      expect(Array.from(step, (d) => d + 0)).toEqual([-0.25, 0.5, 0]);
    }
  });
});
