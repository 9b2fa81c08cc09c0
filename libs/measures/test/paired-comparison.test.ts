import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  comparePaired,
  LedgerMismatchError,
  mcNemarExact,
  robustAccuracyCurve,
  type WitnessLedger,
} from '../src/index.js';

function ledger(budgets: readonly (number | undefined)[], grid = [0, 0.1, 0.2]): WitnessLedger {
  return {
    norm: Number.POSITIVE_INFINITY,
    grid,
    inputShape: [1, 1, 1],
    classes: 2,
    entries: budgets.map((budget, id) => ({
      id,
      label: 0,
      cleanPrediction: 0,
      ...(budget === undefined
        ? {}
        : { witness: { budget, attack: 'pgd', restart: 0, step: 1, image: Float32Array.of(0) } }),
    })),
    cost: { gradientImageSteps: 0, forwardImagePasses: 0, zeroGradientSteps: 0, rejectedWitnesses: 0 },
  };
}

describe('comparePaired', () => {
  it('counts the samples on which two models differ and agrees with the difference of their curves', () => {
    const broken = fc.array(fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }), {
      minLength: 12,
      maxLength: 12,
    });
    fc.assert(
      fc.property(broken, broken, (first, second) => {
        const [a, b] = [ledger(first), ledger(second)];
        const curves = [robustAccuracyCurve(a), robustAccuracyCurve(b)];
        for (const [budget, found] of comparePaired(a, b).entries()) {
          const difference = ((curves[0]?.[budget]?.robust ?? 0) - (curves[1]?.[budget]?.robust ?? 0)) / 12;
          expect(found.difference).toBeCloseTo(difference, 12);
          expect(found.pValue).toBe(mcNemarExact(found.onlyFirst, found.onlySecond));
        }
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it('refuses ledgers of other samples or other budgets', () => {
    expect(() => comparePaired(ledger([0]), ledger([0, 1]))).toThrow(LedgerMismatchError);
    expect(() => comparePaired(ledger([0]), ledger([0], [0, 0.3]))).toThrow(LedgerMismatchError);
  });
});

describe('mcNemarExact', () => {
  it.each([
    [0, 0, 1],
    [5, 5, 1],
    [0, 6, 2 / 64],
    [1, 5, (2 * 7) / 64],
    [9, 1, (2 * 11) / 1024],
  ])('of %i and %i is %f, by the binomial distribution', (b, c, p) => {
    expect(mcNemarExact(b, c)).toBeCloseTo(p, 12);
    expect(mcNemarExact(c, b)).toBe(mcNemarExact(b, c));
  });

  it('stays a probability where thousands differ', () => {
    expect(mcNemarExact(2_000, 2_050)).toBeGreaterThan(0.4);
    expect(mcNemarExact(1_500, 2_500)).toBeLessThan(1e-50);
  });
});
