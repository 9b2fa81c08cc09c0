import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, test } from 'vitest';
import {
  batchNormReluTrain,
  conv2d,
  dense,
  globalMeanPool,
  preActivationBlockTrain,
  selectEngine,
  softmaxCrossEntropy,
} from '../src/index.js';
import { expectClose, sequence } from './support/finite-differences.js';

const epsilon = 1e-3;

/** Starting values of a small residual network: a stem, a projection block, a plain block, a classifier. */
function initialWeights(): Record<string, tf.Tensor> {
  const filter = (side: number, from: number, to: number, seed: number): tf.Tensor =>
    sequence([side, side, from, to], seed, -0.4, 0.4);
  const gamma = (count: number, seed: number): tf.Tensor => sequence([count], seed, 0.5, 1.5);
  // Far from the relu's kink: across it the penalty jumps, and finite differences mean nothing.
  const beta = (count: number, seed: number): tf.Tensor => sequence([count], seed, 5, 6);
  return {
    stem: filter(3, 2, 3, 1),
    ...{ gamma1: gamma(3, 2), beta1: beta(3, 3), filter1: filter(3, 3, 4, 4) },
    ...{ gamma2: gamma(4, 5), beta2: beta(4, 6), filter2: filter(3, 4, 4, 7), shortcut: filter(1, 3, 4, 8) },
    ...{ gamma3: gamma(4, 9), beta3: beta(4, 10), filter3: filter(3, 4, 4, 11) },
    ...{ gamma4: gamma(4, 12), beta4: beta(4, 13), filter4: filter(3, 4, 4, 14) },
    ...{ gamma5: gamma(4, 15), beta5: beta(4, 16), weight: sequence([4, 3], 17, -2, 2), bias: sequence([3], 18) },
  };
}

type Weights = Record<string, tf.Tensor>;

function logits(images: tf.Tensor4D, w: Weights): tf.Tensor2D {
  const named = <T extends tf.Tensor>(name: string): T => w[name] as T;
  const half = (first: number, second: number): Parameters<typeof preActivationBlockTrain>[1] => ({
    gamma1: named<tf.Tensor1D>(`gamma${first}`),
    beta1: named<tf.Tensor1D>(`beta${first}`),
    filter1: named<tf.Tensor4D>(`filter${first}`),
    gamma2: named<tf.Tensor1D>(`gamma${second}`),
    beta2: named<tf.Tensor1D>(`beta${second}`),
    filter2: named<tf.Tensor4D>(`filter${second}`),
  });
  let x = conv2d(images, named('stem'), 1, 1);
  x = preActivationBlockTrain(x, { ...half(1, 2), shortcut: named<tf.Tensor4D>('shortcut') }, 2, epsilon).output;
  x = preActivationBlockTrain(x, half(3, 4), 1, epsilon).output;
  const features = globalMeanPool(batchNormReluTrain(x, named('gamma5'), named('beta5'), epsilon).output);
  // Without a factor per position the last batch norm would make every image's mean the same.
  const pooled = tf.add(features, tf.mean(tf.square(x), [1, 2])) as tf.Tensor2D;
  return dense(pooled, named('weight'), named('bias'));
}

const engines = ['cpu', 'native'] as const;

describe.each(engines)('on the %s engine', (engine) => {
  beforeAll(async () => {
    await selectEngine({ engine, threads: 2 });
  });

  const images = (): tf.Tensor4D => sequence([3, 6, 6, 2], 30, 0, 1) as tf.Tensor4D;
  const targets = (): tf.Tensor2D => tf.softmax(sequence([3, 3], 31, -2, 2)) as tf.Tensor2D;

  function inputGradientOf(w: Weights): tf.Tensor {
    const loss = (x: tf.Tensor): tf.Tensor => softmaxCrossEntropy(logits(x as tf.Tensor4D, w), targets());
    return tf.grad(loss)(images() as tf.Tensor, tf.ones([3]));
  }

  /** Derivatives of a penalty along a fixed direction in the space of all weights, by the tape and by central differences. */
  function checkPenalty(penalty: (w: Weights) => tf.Tensor): void {
    tf.tidy(() => {
      const start = initialWeights();
      const names = Object.keys(start);
      const directions = names.map((name, i) => sequence((start[name] as tf.Tensor).shape, 40 + i));
      const asWeights = (values: readonly tf.Tensor[]): Weights =>
        Object.fromEntries(names.map((name, i) => [name, values[i] as tf.Tensor]));
      // A term that is zero ties in the bias, which no input gradient depends on when the loss is linear.
      const gradients = tf.grads((...values: tf.Tensor[]) =>
        tf.add(penalty(asWeights(values)), tf.mul(tf.addN(values.map((value) => tf.sum(value))), 0)),
      )(names.map((name) => start[name] as tf.Tensor));
      const byTape = gradients.reduce(
        (sum, gradient, i) => sum + (tf.sum(tf.mul(gradient, directions[i] as tf.Tensor)).dataSync()[0] as number),
        0,
      );
      const at = (t: number): number =>
        penalty(
          asWeights(names.map((name, i) => tf.add(start[name] as tf.Tensor, tf.mul(directions[i] as tf.Tensor, t)))),
        ).dataSync()[0] as number;
      const width = 2e-3;
      expectClose(byTape, (at(width) - at(-width)) / (2 * width), 2e-2, 'derivative along the direction');
    });
  }

  test('the weight gradient of the norm of the loss gradient agrees with finite differences', () => {
    checkPenalty((w) => tf.sum(tf.sqrt(tf.sum(tf.square(inputGradientOf(w)), [1, 2, 3]))));
  });

  test('so does that of a squared norm together with the loss itself', () => {
    checkPenalty((w) => {
      const loss = tf.sum(softmaxCrossEntropy(logits(images(), w), targets()));
      return tf.add(loss, tf.sum(tf.square(inputGradientOf(w))));
    });
  });

  test('so does that of a projection of the logits Jacobian, || J^T v ||^2', () => {
    const v = (): tf.Tensor => sequence([3, 3], 32);
    checkPenalty((w) => {
      const jacobian = tf.grad((x: tf.Tensor) => logits(x as tf.Tensor4D, w) as tf.Tensor)(images() as tf.Tensor, v());
      return tf.sum(tf.square(jacobian));
    });
  });
});
