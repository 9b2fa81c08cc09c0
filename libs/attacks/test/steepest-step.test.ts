import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { boxAwareL1Step, dualExponent, norm, pixelBox, steepestStep } from '../src/index.js';

const exponents = [1, 1.01, 1.5, 2, 3, 50, Number.POSITIVE_INFINITY];
const gradientRow = fc
  .array(fc.oneof(fc.constantFrom(0, 1, -1), fc.double({ min: -1e6, max: 1e6, noNaN: true })), {
    minLength: 1,
    maxLength: 20,
  })
  .map((values) => Float32Array.from(values));

function inner(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] as number), 0);
}

describe('steepestStep', () => {
  it('has unit norm and attains the dual norm of the gradient, which bounds every unit direction (Hoelder)', () => {
    fc.assert(
      fc.property(gradientRow, fc.constantFrom(...exponents), (gradient, p) => {
        const { step, zeroGradient } = steepestStep(gradient, p);
        if (gradient.every((value) => value === 0)) {
          expect(zeroGradient).toBe(true);
          expect(norm(step, p)).toBe(0);
          return;
        }
        expect(zeroGradient).toBe(false);
        expect(norm(step, p)).toBeCloseTo(1, 5);
        const bound = norm(gradient, dualExponent(p));
        expect(Math.abs(inner(step, gradient) / bound - 1)).toBeLessThan(1e-5);
      }),
      { seed: 5, numRuns: 800 },
    );
  });

  it.each([1e-38, 1e-20, 1, 1e20, 1e38])('does not depend on the scale of the gradient (%d)', (scale) => {
    const gradient = Float32Array.of(0.3 * scale, -0.7 * scale, 0.1 * scale, 0);
    for (const p of exponents) {
      const { step } = steepestStep(gradient, p);
      const { step: reference } = steepestStep(Float32Array.of(0.3, -0.7, 0.1, 0), p);
      for (let i = 0; i < 4; i++) expect(step[i]).toBeCloseTo(reference[i] as number, 5);
    }
  });

  it('takes the lowest index of tied largest entries for p = 1 and counts the ties', () => {
    expect(steepestStep(Float32Array.of(1, -3, 3, -3, 2), 1)).toEqual({
      step: Float32Array.of(0, -1, 0, 0, 0),
      zeroGradient: false,
      ties: 2,
    });
  });

  it.each(exponents)(
    'ignores entries that are not finite for p = %d and reports a gradient of nothing else as zero',
    (p) => {
      const { step } = steepestStep(Float32Array.of(Number.NaN, 2, Number.POSITIVE_INFINITY), p);
      expect(Array.from(step)).toEqual([0, 1, 0]);
      expect(steepestStep(Float32Array.of(Number.NaN, Number.NEGATIVE_INFINITY), p).zeroGradient).toBe(true);
    },
  );
});

describe('boxAwareL1Step', () => {
  it('attains the maximum of the linear term within the l_1 budget and the box', () => {
    const problem = fc.integer({ min: 1, max: 8 }).chain((length) =>
      fc.record({
        point: fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: length, maxLength: length }),
        gradient: fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: length, maxLength: length }),
        size: fc.double({ min: 0.01, max: 3, noNaN: true }),
      }),
    );
    fc.assert(
      fc.property(
        problem,
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (given, trial) => {
          const point = Float32Array.from(given.point);
          const gradient = Float32Array.from(given.gradient);
          const step = boxAwareL1Step(point, gradient, given.size, pixelBox);
          expect(norm(step, 1)).toBeLessThanOrEqual(given.size * (1 + 1e-6));
          // Any other direction, clamped to the box and scaled into the budget, gains no more.
          const other = point.map((x, i) => Math.min(Math.max(x + 3 * (trial[i] as number), 0), 1) - x);
          const shrink = Math.min(1, given.size / Math.max(norm(other, 1), 1e-12));
          expect(inner(other, gradient) * shrink).toBeLessThanOrEqual(inner(step, gradient) + 1e-5);
          for (let i = 0; i < point.length; i++) {
            const moved = (point[i] as number) + (step[i] as number);
            expect(moved).toBeGreaterThanOrEqual(-1e-6);
            expect(moved).toBeLessThanOrEqual(1 + 1e-6);
          }
        },
      ),
      { seed: 6, numRuns: 500 },
    );
  });

  it('goes on with the next coordinate where the plain step would freeze at the edge of the box', () => {
    const step = boxAwareL1Step(Float32Array.of(1, 0.5, 0.5), Float32Array.of(9, 1, -2), 0.75, pixelBox);
    expect(Array.from(step)).toEqual([0, 0.25, -0.5]);
  });
});
