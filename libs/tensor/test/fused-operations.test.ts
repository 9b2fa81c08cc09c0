import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { composedBatchNormInference, composedBatchNormTrain } from '../src/composed-batch-norm.js';
import {
  batchNormReluInference,
  batchNormReluTrain,
  inputGradient,
  linfStep,
  moveAverages,
  parameterGradients,
  selectEngine,
  sgdMomentumStep,
  softmaxCrossEntropy,
} from '../src/index.js';
import { composedLinfStep } from '../src/linf-step.js';
import { composedSgdMomentumStep } from '../src/sgd-momentum.js';
import { composedSoftmaxCrossEntropy } from '../src/softmax-cross-entropy.js';
import { sequence } from './support/finite-differences.js';

beforeAll(async () => {
  await selectEngine({ engine: 'native', threads: 2 });
});

/** The largest difference of two lists of tensors, relative to the largest value of each. */
function distance(actual: readonly tf.Tensor[], expected: readonly tf.Tensor[]): number {
  expect(actual.length).toBe(expected.length);
  const differences = actual.map((tensor, i) => {
    const [a, b] = [tensor.dataSync(), (expected[i] as tf.Tensor).dataSync()];
    expect(a.length).toBe(b.length);
    let largest = 0;
    let scale = 1e-6;
    for (let j = 0; j < a.length; j++) {
      largest = Math.max(largest, Math.abs((a[j] as number) - (b[j] as number)));
      scale = Math.max(scale, Math.abs(b[j] as number));
    }
    return largest / scale;
  });
  return Math.max(...differences);
}

const tensor1d = (count: number, seed: number, low: number, high: number): tf.Tensor1D =>
  sequence([count], seed, low, high) as tf.Tensor1D;

describe('on the native engine, each fused operation equals its composed form:', () => {
  // Fewer channels than a vector, no multiple of one, several vectors, more than a chunk holds.
  test.each([1, 3, 8, 20, 64, 130, 600])('batch norm and relu with %i channels, both modes', (channels) => {
    tf.tidy(() => {
      const x = sequence([4, 7, 5, channels], 1, -2, 3) as tf.Tensor4D;
      const gamma = tensor1d(channels, 2, 0.5, 1.5);
      const beta = tensor1d(channels, 3, -1, 1);
      const mean = tensor1d(channels, 4, -1, 1);
      const variance = tensor1d(channels, 5, 0.2, 2);
      const cotangent = sequence([4, 7, 5, channels], 6);
      const inputs = [x, gamma, beta] as tf.Tensor[];
      type Parts = [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D];
      const training = (run: typeof composedBatchNormTrain, relu: boolean): tf.Tensor[] => {
        const output = (...parts: tf.Tensor[]): tf.Tensor => {
          const result = run(...(parts as Parts), 1e-5).output;
          return relu ? tf.relu(result) : result;
        };
        const { mean: m, variance: v } = run(x, gamma, beta, 1e-5);
        return [output(...inputs), m, v, ...tf.grads(output)(inputs, cotangent)];
      };
      expect(distance(training(batchNormReluTrain, false), training(composedBatchNormTrain, true))).toBeLessThan(5e-5);
      const inference = (run: typeof composedBatchNormInference, relu: boolean): tf.Tensor[] => {
        const output = (...parts: tf.Tensor[]): tf.Tensor => {
          const result = run(...(parts as Parts), mean, variance, 1e-5);
          return relu ? tf.relu(result) : result;
        };
        return [output(...inputs), ...tf.grads(output)(inputs, cotangent)];
      };
      expect(
        distance(inference(batchNormReluInference, false), inference(composedBatchNormInference, true)),
      ).toBeLessThan(5e-5);
    });
  });

  test('batch statistics far from zero keep their precision', () => {
    tf.tidy(() => {
      const spread = sequence([8, 16, 16, 8], 7);
      const { variance } = batchNormReluTrain(
        tf.add(spread, 1000) as tf.Tensor4D,
        tf.ones([8]) as tf.Tensor1D,
        tf.zeros([8]) as tf.Tensor1D,
        1e-5,
      );
      const { variance: expected } = tf.moments(spread, [0, 1, 2]);
      expect(distance([variance], [expected])).toBeLessThan(1e-3);
    });
  });

  test('cross-entropy, its gradients, and logits too large for a naive exponential', () => {
    tf.tidy(() => {
      const targets = tf.softmax(sequence([6, 10], 8)) as tf.Tensor2D;
      for (const size of [1, 40, 1000]) {
        const logits = sequence([6, 10], 9, -size, size) as tf.Tensor2D;
        const all = (run: typeof softmaxCrossEntropy): tf.Tensor[] => {
          const loss = (...parts: tf.Tensor[]): tf.Tensor => run(...(parts as [tf.Tensor2D, tf.Tensor2D]));
          return [loss(logits, targets), ...tf.grads(loss)([logits, targets] as tf.Tensor[], sequence([6], 10))];
        };
        expect(distance(all(softmaxCrossEntropy), all(composedSoftmaxCrossEntropy))).toBeLessThan(1e-5);
      }
    });
  });

  test('the l_inf step, which moves, projects and clips to the bit alike', () => {
    tf.tidy(() => {
      const centre = sequence([2, 5, 5, 3], 11, 0, 1) as tf.Tensor4D;
      const iterate = tf.add(centre, sequence([2, 5, 5, 3], 12, -0.1, 0.1)) as tf.Tensor4D;
      const gradient = tf.mul(sequence([2, 5, 5, 3], 13), tf.cast(tf.greater(centre, 0.2), 'float32')) as tf.Tensor4D;
      const fused = linfStep(iterate, gradient, centre, 0.07, 0.1);
      const composed = composedLinfStep(iterate, gradient, centre, 0.07, 0.1);
      expect(fused.dataSync()).toEqual(composed.dataSync());
    });
  });

  test('the optimiser step, over several steps', () => {
    const settings = { learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 };
    const finals = [sgdMomentumStep, composedSgdMomentumStep].map((step) => {
      const [parameter, velocity] = tf.tidy(() => [
        tf.variable(sequence([33], 14)),
        tf.variable(tf.zeros([33]), false),
      ]) as [tf.Variable, tf.Variable];
      for (let i = 0; i < 3; i++) tf.tidy(() => step(parameter, velocity, sequence([33], 15 + i), settings));
      return [parameter, velocity];
    });
    expect(distance(finals[0] as tf.Tensor[], finals[1] as tf.Tensor[])).toBeLessThan(1e-6);
    tf.dispose(finals);
  });

  test('running statistics, with the unbiased variance', () => {
    const [mean, variance] = tf.tidy(() => [tf.variable(tf.zeros([2])), tf.variable(tf.ones([2]))]) as [
      tf.Variable,
      tf.Variable,
    ];
    tf.tidy(() => moveAverages(mean, variance, tf.tensor1d([1, 2]), tf.tensor1d([3, 4]), 0.1, 4));
    expect(distance([mean, variance], [tf.tensor1d([0.1, 0.2]), tf.tensor1d([1.3, 0.9 + 0.4 * (4 / 3)])])).toBeLessThan(
      1e-6,
    );
    tf.dispose([mean, variance]);
  });
});

describe('gradients', () => {
  test('by the input are those of the sum of the losses, row by row, and leave nothing behind', () => {
    const images = sequence([3, 2, 2, 1], 18) as tf.Tensor4D;
    const before = tf.memory().numTensors;
    const { losses, gradient } = inputGradient(
      (x) => tf.mul(tf.sum(tf.square(x), [1, 2, 3]), tf.tensor1d([1, 2, 3])) as tf.Tensor1D,
      images,
    );
    expect(tf.memory().numTensors).toBe(before + 2);
    expect(losses.shape).toEqual([3]);
    const expected = tf.tidy(() => tf.mul(images, tf.tensor4d([2, 4, 6], [3, 1, 1, 1])));
    expect(distance([gradient], [expected])).toBeLessThan(1e-6);
    tf.dispose([losses, gradient, expected, images]);
  });

  test('by parameters come in the order of the variables', () => {
    const [a, b] = tf.tidy(() => [tf.variable(tf.scalar(2)), tf.variable(tf.scalar(3))]) as [tf.Variable, tf.Variable];
    const { loss, gradients } = parameterGradients(() => tf.mul(tf.square(a), b) as tf.Scalar, [b, a]);
    expect(loss.dataSync()[0]).toBe(12);
    expect(gradients.map((gradient) => gradient.dataSync()[0])).toEqual([4, 12]);
    tf.dispose([a, b, loss, ...gradients]);
  });
});
