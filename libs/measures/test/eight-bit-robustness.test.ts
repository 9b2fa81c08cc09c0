import { distance } from '@percept/attacks';
import { selectEngine } from '@percept/tensor';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  budgetGrid,
  eightBitRobustness,
  profile,
  robustAccuracyCurve,
  roundWithinBall,
  type Samples,
} from '../src/index.js';
import { seededNumbers, smallClassifier, thresholdClassifier } from './small-classifiers.js';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('roundWithinBall', () => {
  it.each([1, 2, 3, Number.POSITIVE_INFINITY])(
    'gives an 8-bit image within the ball of any 8-bit image, in the l_%f norm',
    (norm) => {
      const pixel = fc.integer({ min: 0, max: 255 });
      const image = fc.array(fc.tuple(pixel, fc.float({ min: 0, max: 1, noNaN: true })), {
        minLength: 1,
        maxLength: 12,
      });
      fc.assert(
        fc.property(image, (pixels) => {
          const clean = Float32Array.from(pixels, ([level]) => level / 255);
          const moved = Float32Array.from(pixels, ([, value]) => value);
          const epsilon = distance(moved, clean, norm);
          const rounded = roundWithinBall(moved, clean, epsilon, norm);
          expect(distance(rounded, clean, norm)).toBeLessThanOrEqual(epsilon + 1e-7);
          for (const [i, value] of rounded.entries()) {
            expect(Math.abs(value * 255 - Math.round(value * 255))).toBeLessThan(1e-4);
            expect(Math.abs(value - (moved[i] as number))).toBeLessThan(1 / 255 + 1e-6);
          }
        }),
        { seed: 3, numRuns: 300 },
      );
    },
  );
});

describe('eightBitRobustness', () => {
  const settings = {
    norm: Number.POSITIVE_INFINITY,
    grid: budgetGrid(12, 2, 100),
    strategy: 'ascending',
    attacks: [{ name: 'pgd', options: { steps: 10, step: { kind: 'relative', size: 0.3 }, loss: 'margin' } }],
    confirmations: [],
    seed: 1,
    batchSize: 8,
  } as const;

  it('never lies below the curve of the float images, rises nowhere, and begins at the clean accuracy', async () => {
    const model = smallClassifier(7, [4, 4, 1], 3);
    const images = seededNumbers(5, 30 * 16).map((value) => Math.round(127.5 + 127.5 * value) / 255);
    const samples: Samples = {
      images,
      labels: Int32Array.from({ length: 30 }, (_, i) => i % 3),
      ids: Int32Array.from({ length: 30 }, (_, i) => i),
    };
    const ledger = await profile(model, samples, settings);
    const float = robustAccuracyCurve(ledger);
    const rounded = eightBitRobustness(model, samples, ledger, 7);
    expect(rounded[0]).toEqual(float[0]);
    for (const [i, point] of rounded.entries()) {
      expect(point.robust).toBeGreaterThanOrEqual(float[i]?.robust as number);
      if (i > 0) expect(point.robust).toBeLessThanOrEqual(rounded[i - 1]?.robust as number);
    }
  });

  it('does not count a witness that lies between two levels', async () => {
    // The label holds up to x = 128.4 / 255; the image at 128 / 255 breaks only between its level and the next but one.
    const threshold = 128.4 / 255;
    const samples: Samples = { images: Float32Array.of(128 / 255), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    const grid = [0, 0.8 / 255];
    const model = thresholdClassifier(threshold);
    const ledger = await profile(model, samples, { ...settings, grid });
    expect(robustAccuracyCurve(ledger).map(({ robust }) => robust)).toEqual([1, 0]);
    expect(eightBitRobustness(model, samples, ledger).map(({ robust }) => robust)).toEqual([1, 1]);
  });

  it('stretches such a witness to the next budget, where its level breaks the sample', async () => {
    const threshold = 128.4 / 255;
    const samples: Samples = { images: Float32Array.of(128 / 255), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    const grid = [0, 0.8 / 255, 1.2 / 255];
    const model = thresholdClassifier(threshold);
    const ledger = await profile(model, samples, { ...settings, grid });
    expect(robustAccuracyCurve(ledger).map(({ robust }) => robust)).toEqual([1, 0, 0]);
    expect(eightBitRobustness(model, samples, ledger).map(({ robust }) => robust)).toEqual([1, 1, 0]);
  });
});
