import { selectEngine } from '@percept/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import { distance, fgsm, inversionAsPgd, inversionStarts, pgd } from '../src/index.js';
import { convolutionalClassifier, linearClassifier, seededImages } from './support/toy-classifiers.js';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('fgsm', () => {
  // Two classes, so that the loss of class 0 rises along the difference of the weights, (3, -4, 0).
  const model = (): ReturnType<typeof linearClassifier> =>
    linearClassifier(new Float32Array([-3, 0, 4, 0, 0, 0]), [1, 3, 1], 2);
  const image = Float32Array.of(0.5, 0.5, 0.5);
  const goal = { kind: 'untargeted', labels: Int32Array.of(0) } as const;

  it.each([
    { norm: Number.POSITIVE_INFINITY, expected: [0.6, 0.4, 0.5] },
    { norm: 2, expected: [0.56, 0.42, 0.5] },
    { norm: 1, expected: [0.5, 0.4, 0.5] },
  ])('takes the one step of Appendix E for p = $norm', async ({ norm, expected }) => {
    const result = await fgsm(model(), image, goal, Int32Array.of(0), { norm, epsilon: 0.1 });
    for (const [i, value] of expected.entries()) expect(result.images[i]).toBeCloseTo(value, 6);
    expect(result.gradientSteps[0]).toBe(1);
  });

  it('moves towards the target when it has one', async () => {
    const targeted = { kind: 'targeted', targets: Int32Array.of(0) } as const;
    const result = await fgsm(model(), image, targeted, Int32Array.of(0), { epsilon: 0.1 });
    expect(result.images[0]).toBeCloseTo(0.4, 6);
    expect(result.images[1]).toBeCloseTo(0.6, 6);
    expect(result.lossAfter[0]).toBeLessThan(result.lossBefore[0] as number);
  });

  it('stays in the ball from a random start that differs per sample and seed', async () => {
    const batch = Float32Array.of(...image, ...image);
    const both = { kind: 'untargeted', labels: Int32Array.of(0, 0) } as const;
    const options = { epsilon: 0.1, randomStart: true, relativeStep: 0.5 };
    const first = await fgsm(model(), batch, both, Int32Array.of(1, 2), { ...options, seed: 1 });
    const second = await fgsm(model(), batch, both, Int32Array.of(1, 2), { ...options, seed: 2 });
    expect(distance(first.images, batch, Number.POSITIVE_INFINITY)).toBeLessThanOrEqual(0.1);
    expect(first.images.subarray(0, 3)).not.toEqual(first.images.subarray(3));
    expect(first.images).not.toEqual(second.images);
  });
});

describe('model inversion', () => {
  it('turns the same noise into every class, without a budget and within the box', async () => {
    const shape = [6, 6, 2] as const;
    const model = convolutionalClassifier(21, shape);
    const targets = Int32Array.of(0, 1, 2, 3, 4);
    const starts = inversionStarts(targets, shape, [0.5, 0.4], [0.3, 0.2], 7);
    const options = inversionAsPgd({ steps: 80, snapshotsEvery: 40 });
    const result = await pgd(model, starts, { kind: 'targeted', targets }, targets, options);
    expect(Array.from(result.predictionAfter)).toEqual(Array.from(targets));
    expect(Math.min(...result.goalConfidenceAfter)).toBeGreaterThan(0.9);
    expect(Math.max(...result.distances.linf)).toBeGreaterThan(0.1);
    expect(result.images.every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(result.snapshots.map((snapshot) => snapshot.step)).toEqual([40, 80]);
  });

  it('begins with less than certainty about its targets', async () => {
    const shape = [6, 6, 2] as const;
    const images = seededImages(2, 2, shape);
    const targets = Int32Array.of(0, 1);
    const result = await pgd(
      convolutionalClassifier(21, shape),
      images,
      { kind: 'targeted', targets },
      targets,
      inversionAsPgd({ steps: 5 }),
    );
    for (const i of [0, 1]) {
      expect(result.goalConfidenceAfter[i]).toBeGreaterThanOrEqual(result.goalConfidenceBefore[i] as number);
    }
  });
});
