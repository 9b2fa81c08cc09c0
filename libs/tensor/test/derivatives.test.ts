import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, test } from 'vitest';
import {
  batchNormInference,
  batchNormReluInference,
  batchNormReluTrain,
  batchNormTrain,
  conv2d,
  dense,
  globalMeanPool,
  klDivergence,
  logSoftmax,
  logSumExp,
  relu,
  selectEngine,
  softmaxCrossEntropy,
} from '../src/index.js';
import { checkDerivatives, type Operation, sequence } from './support/finite-differences.js';

const engines = ['cpu', 'native'] as const;

/** Reads no input: adds a term in x^2, so that operations without curvature still have second derivatives to check. */
const curved =
  (operation: Operation): Operation =>
  (x, ...rest) =>
    operation(tf.mul(x as tf.Tensor, tf.add(x as tf.Tensor, 2)), ...rest);

const image = (): tf.Tensor => sequence([2, 4, 4, 3], 1);
const matrix = (): tf.Tensor => sequence([4, 5], 2);
const logits = (): tf.Tensor => sequence([4, 5], 3, -2, 2);
const targets = (): tf.Tensor => tf.softmax(sequence([4, 5], 4, -1, 1) as tf.Tensor2D);
const vector = (seed: number, low: number, high: number): tf.Tensor => sequence([3], seed, low, high);
const positive = (): tf.Tensor => sequence([4, 5], 5, 0.5, 2);

// Kinks are kept away from: central differences mean nothing across one.
const awayFromZero = (): tf.Tensor => tf.tidy(() => tf.add(tf.sign(image()), tf.mul(image(), 0.3)));

const cases: readonly (readonly [name: string, Operation, () => tf.Tensor[]])[] = [
  ['exp', (x) => tf.exp(x as tf.Tensor), () => [matrix()]],
  ['sigmoid', (x) => tf.sigmoid(x as tf.Tensor), () => [matrix()]],
  ['tanh', (x) => tf.tanh(x as tf.Tensor), () => [matrix()]],
  ['elu', (x) => tf.elu(x as tf.Tensor), () => [matrix()]],
  ['log', (x) => tf.log(x as tf.Tensor), () => [positive()]],
  ['sqrt', (x) => tf.sqrt(x as tf.Tensor), () => [positive()]],
  ['rsqrt', (x) => tf.rsqrt(x as tf.Tensor), () => [positive()]],
  ['pow', (x, y) => tf.pow(x as tf.Tensor, y as tf.Tensor), () => [positive(), sequence([5], 6, 1.5, 3)]],
  ['softmax', (x) => tf.softmax(x as tf.Tensor), () => [logits()]],
  ['log softmax', (x) => logSoftmax(x as tf.Tensor2D), () => [logits()]],
  ['log sum exp', (x) => logSumExp(x as tf.Tensor2D), () => [logits()]],
  ['cross-entropy', (z, t) => softmaxCrossEntropy(z as tf.Tensor2D, t as tf.Tensor2D), () => [logits(), targets()]],
  ['KL divergence', (p, q) => klDivergence(p as tf.Tensor2D, q as tf.Tensor2D), () => [logits(), matrix()]],
  ['max', curved((x) => tf.max(x as tf.Tensor, 1)), () => [positive()]],
  ['min', curved((x) => tf.min(x as tf.Tensor, 0)), () => [positive()]],
  ['sum', curved((x) => tf.sum(x as tf.Tensor, [0, 2])), () => [image()]],
  ['mean', curved((x) => tf.mean(x as tf.Tensor, -1)), () => [image()]],
  ['tile', curved((x) => tf.tile(x as tf.Tensor, [3, 2])), () => [matrix()]],
  ['average pooling', curved((x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid')), () => [image()]],
  ['mean pooling', curved((x) => globalMeanPool(x as tf.Tensor4D)), () => [image()]],
  ['relu', curved((x) => relu(tf.sub(x, 2.9) as tf.Tensor)), () => [awayFromZero()]],
  [
    'dense',
    (x, w, b) => dense(x as tf.Tensor2D, w as tf.Tensor2D, b as tf.Tensor1D),
    () => [matrix(), sequence([5, 3], 7), vector(8, -1, 1)],
  ],
  ...([
    [1, 1, 3],
    [2, 1, 3],
    [2, 0, 1],
    [1, 0, 3],
  ].map(([stride, pad, side]) => [
    `convolution of stride ${stride}, padding ${pad} and side ${side}`,
    (x: tf.Tensor, w: tf.Tensor) => conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride as number, pad as number),
    () => [image(), sequence([side as number, side as number, 3, 4], 9)],
  ]) as [string, Operation, () => tf.Tensor[]][]),
  ...([false, true].map((withRelu) => [
    `training-mode batch norm${withRelu ? ' and relu' : ''}`,
    (x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) => {
      const normalise = withRelu ? batchNormReluTrain : batchNormTrain;
      const { output, mean, variance } = normalise(x as tf.Tensor4D, gamma as tf.Tensor1D, beta as tf.Tensor1D, 1e-3);
      return tf.add(output, tf.add(tf.square(mean), tf.square(variance)));
    },
    () => [image(), vector(10, 0.5, 1.5), vector(11, withRelu ? 4 : -1, withRelu ? 5 : 1)],
  ]) as [string, Operation, () => tf.Tensor[]][]),
  ...([false, true].map((withRelu) => [
    `inference-mode batch norm${withRelu ? ' and relu' : ''}`,
    (...parts: tf.Tensor[]) => {
      const [x, gamma, beta, mean, variance] = parts as [
        tf.Tensor4D,
        tf.Tensor1D,
        tf.Tensor1D,
        tf.Tensor1D,
        tf.Tensor1D,
      ];
      return (withRelu ? batchNormReluInference : batchNormInference)(x, gamma, beta, mean, variance, 1e-3);
    },
    () => [
      image(),
      vector(10, 0.5, 1.5),
      vector(11, withRelu ? 4 : -1, withRelu ? 5 : 1),
      vector(12, -0.5, 0.5),
      vector(13, 0.5, 2),
    ],
  ]) as [string, Operation, () => tf.Tensor[]][]),
  [
    "TF.js's own batch norm",
    (...parts: tf.Tensor[]) => {
      const [x, mean, variance, offset, scale] = parts as [
        tf.Tensor4D,
        tf.Tensor1D,
        tf.Tensor1D,
        tf.Tensor1D,
        tf.Tensor1D,
      ];
      return tf.batchNorm(x, mean, variance, offset, scale, 1e-3);
    },
    () => [image(), vector(12, -0.5, 0.5), vector(13, 0.5, 2), vector(11, -1, 1), vector(10, 0.5, 1.5)],
  ],
];

describe.each(engines)(
  'on the %s engine, the first and second derivatives agree with finite differences:',
  (engine) => {
    beforeAll(async () => {
      await selectEngine({ engine, threads: 2 });
    });

    test.each(cases)('%s', (_name, operation, inputs) => {
      const at = inputs();
      checkDerivatives(operation, at);
      tf.dispose(at);
    });
  },
);
