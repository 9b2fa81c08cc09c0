import type { Classifier } from '@percept/models';
import { selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { localLipschitz, selectSamples } from '../src/index.js';
import { seededSamples, smallClassifier } from './small-classifiers.js';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('localLipschitz', () => {
  const shape = [1, 3, 1] as const;
  const weights = [1, 0.5, -0.5, -0.25, 3, 1.5];

  function linear(): Classifier {
    const matrix = tf.tensor2d(weights, [3, 2]);
    return {
      classes: 2,
      inputShape: shape,
      logits: (images) => tf.matMul(tf.reshape(images, [images.shape[0], 3]) as tf.Tensor2D, matrix),
    };
  }

  it('finds the operator norm from l_inf to l_1 of a linear model', async () => {
    // |d0 - 0.5 d1 + 3 d2| and half of it, both largest at d = (1, -1, 1) and its negative.
    const samples = { images: Float32Array.of(0.5, 0.5, 0.5), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    const options = { norm: Number.POSITIVE_INFINITY, epsilon: 0.1, seed: 1, steps: 40 };
    const [value] = await localLipschitz(linear(), samples, options);
    expect(value).toBeCloseTo(6.75, 4);
  });

  it('gives a sample the same bits alone as among others, and grows with more steps', async () => {
    const model = smallClassifier(6, [4, 4, 1], 3);
    const samples = seededSamples(3, 5, [4, 4, 1], new Int32Array(5));
    const options = { norm: 2, epsilon: 0.5, seed: 4, batchSize: 2 };
    const together = await localLipschitz(model, samples, options);
    const longer = await localLipschitz(model, samples, { ...options, steps: 30 });
    for (let i = 0; i < 5; i++) {
      const alone = await localLipschitz(model, selectSamples(samples, [i]), options);
      expect(alone[0]).toBe(together[i]);
      expect(longer[i]).toBeGreaterThanOrEqual(together[i] as number);
    }
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a radius of %d', async (epsilon) => {
    const samples = seededSamples(3, 1, shape, new Int32Array(1));
    await expect(localLipschitz(linear(), samples, { norm: 2, epsilon, seed: 0 })).rejects.toThrow(RangeError);
  });
});
