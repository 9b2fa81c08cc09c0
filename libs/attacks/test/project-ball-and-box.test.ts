import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Box, distance, norm, pixelBox, projectBallAndBox, unboundedBox } from '../src/index.js';

const exponents = [1, 1.2, 1.5, 2, 2.7, 4, 20, Number.POSITIVE_INFINITY];

/** A centre in the box, a point around it, and a budget, with coordinates at zero, on the box's edge and tied. */
const problem = fc
  .tuple(
    fc.integer({ min: 1, max: 12 }),
    fc.constantFrom(...exponents),
    fc.oneof(fc.constant(0), fc.double({ min: 1e-4, max: 4, noNaN: true })),
    fc.boolean(),
  )
  .chain(([length, p, epsilon, boxed]) =>
    fc.record({
      p: fc.constant(p),
      epsilon: fc.constant(epsilon),
      box: fc.constant(boxed ? pixelBox : unboundedBox),
      centre: rowOf(length, fc.oneof(fc.constantFrom(0, 1, 0.5), fc.double({ min: 0, max: 1, noNaN: true }))),
      point: rowOf(length, fc.oneof(fc.constantFrom(0, 1, 0.5, 2), fc.double({ min: -2, max: 3, noNaN: true }))),
    }),
  );

function rowOf(length: number, value: fc.Arbitrary<number>): fc.Arbitrary<Float32Array> {
  return fc.array(value, { minLength: length, maxLength: length }).map((values) => Float32Array.from(values));
}

function clampToBox(value: number, box: Box): number {
  return Math.min(Math.max(value, box.lower), box.upper);
}

describe('projectBallAndBox', () => {
  it('is feasible to the last bit, exact or sequential', () => {
    fc.assert(
      fc.property(problem, ({ point, centre, epsilon, p, box }) => {
        for (const projection of ['exact', 'sequential'] as const) {
          const result = projectBallAndBox(point, centre, epsilon, p, box, projection);
          expect(distance(result, centre, p)).toBeLessThanOrEqual(epsilon);
          expect(result.every((value) => value >= box.lower && value <= box.upper)).toBe(true);
        }
      }),
      { seed: 1, numRuns: 600 },
    );
  });

  it('leaves a feasible point unchanged, so that projecting twice is projecting once', () => {
    fc.assert(
      fc.property(problem, ({ point, centre, epsilon, p, box }) => {
        for (const projection of ['exact', 'sequential'] as const) {
          const once = projectBallAndBox(point, centre, epsilon, p, box, projection);
          expect(projectBallAndBox(once, centre, epsilon, p, box, projection)).toEqual(once);
        }
      }),
      { seed: 2, numRuns: 400 },
    );
  });

  it('satisfies the optimality condition <point - result, feasible - result> <= 0 for every feasible point', () => {
    fc.assert(
      fc.property(
        problem,
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 12, maxLength: 12 }),
        ({ point, centre, epsilon, p, box }, direction) => {
          const result = projectBallAndBox(point, centre, epsilon, p, box, 'exact');
          // Any direction scaled into the ball, then clamped to the box around a centre inside it, is feasible.
          const reach = norm(direction.slice(0, point.length), p);
          let product = 0;
          let scale = 0;
          for (let i = 0; i < point.length; i++) {
            const c = centre[i] as number;
            const offset = reach === 0 ? 0 : (epsilon * (direction[i] as number)) / reach;
            const feasible = clampToBox(c + offset, box);
            const residual = (point[i] as number) - (result[i] as number);
            product += residual * (feasible - (result[i] as number));
            scale += Math.abs(residual);
          }
          expect(product).toBeLessThanOrEqual(2e-6 * (1 + scale));
        },
      ),
      { seed: 3, numRuns: 1500 },
    );
  });

  it('is no farther from the point than the sequential projection', () => {
    fc.assert(
      fc.property(problem, ({ point, centre, epsilon, p, box }) => {
        const exact = projectBallAndBox(point, centre, epsilon, p, box, 'exact');
        const sequential = projectBallAndBox(point, centre, epsilon, p, box, 'sequential');
        expect(distance(exact, point, 2)).toBeLessThanOrEqual(distance(sequential, point, 2) + 1e-5);
      }),
      { seed: 4, numRuns: 400 },
    );
  });

  it.each([
    { p: 1, point: [3, 1, -0.5], expected: [2, 0, 0] },
    { p: 1, point: [2, 1.5, 0], expected: [1.25, 0.75, 0] },
    { p: 2, point: [3, 4, 0], expected: [1.2, 1.6, 0] },
    { p: Number.POSITIVE_INFINITY, point: [3, -4, 1], expected: [2, -2, 1] },
  ])('projects $point on the l_$p ball of radius 2 as computed by hand', ({ p, point, expected }) => {
    const result = projectBallAndBox(Float32Array.from(point), new Float32Array(3), 2, p, unboundedBox);
    for (const [i, value] of expected.entries()) expect(result[i]).toBeCloseTo(value, 6);
  });
});
