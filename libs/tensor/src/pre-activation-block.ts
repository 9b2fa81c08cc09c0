import * as tf from '@tensorflow/tfjs-core';
import { batchNormReluInference, batchNormReluTrain } from './batch-norm.js';
import { conv2d } from './convolution.js';
import { hasKernel, runKernel, runKernelForAll } from './kernel-call.js';
import { filterIn, type Precision } from './precision.js';

/** Trainable tensors of a pre-activation residual block. Filters are 3x3 and without bias; `shortcut` is 1x1. */
export interface BlockWeights {
  readonly gamma1: tf.Tensor1D;
  readonly beta1: tf.Tensor1D;
  readonly filter1: tf.Tensor4D;
  readonly gamma2: tf.Tensor1D;
  readonly beta2: tf.Tensor1D;
  readonly filter2: tf.Tensor4D;
  /** Present exactly when the block changes the number of channels or has a stride above 1; otherwise x itself is added. */
  readonly shortcut?: tf.Tensor4D;
}

/** Means and variances per channel of a block's two normalisations. */
export interface BlockStatistics {
  readonly mean1: tf.Tensor1D;
  readonly variance1: tf.Tensor1D;
  readonly mean2: tf.Tensor1D;
  readonly variance2: tf.Tensor1D;
}

/** A block's output in training mode and the batch's (biased) statistics, which carry no gradient. */
export interface TrainedBlock extends BlockStatistics {
  readonly output: tf.Tensor4D;
}

function kernelOf({ shortcut }: BlockWeights): string {
  return shortcut === undefined ? 'PreActivationBlock' : 'PreActivationProjectionBlock';
}

/** Whether the block kernels may run: they differentiate once, so that inside a gradient of a gradient the block is made of smaller ones. */
function mayFuse(name: string): boolean {
  return hasKernel(name) && tf.engine().state.gradientDepth <= 1;
}

/**
 * conv2(relu(bn2(conv1(relu(bn1(x)))))) + shortcut(x), normalised by given statistics; the stride is that of conv1 and of the shortcut.
 * x [batch, height, width, in], output [batch, ceil(height / stride), ceil(width / stride), out]. All gradients flow, twice. In bfloat16 the three
 * filters are rounded, in the domain the engine keeps them in (the native one in Winograd's), and gradients pass to the given ones unrounded.
 */
export function preActivationBlockInference(
  x: tf.Tensor4D,
  weights: BlockWeights,
  statistics: BlockStatistics,
  stride: number,
  epsilon: number,
  precision: Precision = 'float32',
): tf.Tensor4D {
  const kernel = `${kernelOf(weights)}Inference`;
  if (!mayFuse(kernel)) {
    return composedBlockInference(x, weights, statistics, stride, epsilon, precision);
  }
  const { mean1, variance1, mean2, variance2 } = statistics;
  const inputs = { x, ...weights, mean1, variance1, mean2, variance2 };
  return runKernel(kernel, inputs, { stride, epsilon, precision });
}

/** The same block normalised by the batch's own statistics. All gradients of the output flow, twice. */
export function preActivationBlockTrain(
  x: tf.Tensor4D,
  weights: BlockWeights,
  stride: number,
  epsilon: number,
  precision: Precision = 'float32',
): TrainedBlock {
  const kernel = `${kernelOf(weights)}Train`;
  if (!mayFuse(kernel)) return composedBlockTrain(x, weights, stride, epsilon, precision);
  const [output, mean1, variance1, mean2, variance2] = runKernelForAll<
    [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D]
  >(kernel, { x, ...weights }, { stride, epsilon, precision });
  return { output, mean1, variance1, mean2, variance2 };
}

function shortcutOf(x: tf.Tensor4D, { shortcut }: BlockWeights, stride: number, precision: Precision): tf.Tensor4D {
  return shortcut === undefined ? x : conv2d(x, filterIn(precision, shortcut), stride, 0);
}

/** `preActivationBlockInference` out of batch norms and convolutions. */
export function composedBlockInference(
  x: tf.Tensor4D,
  weights: BlockWeights,
  { mean1, variance1, mean2, variance2 }: BlockStatistics,
  stride: number,
  epsilon: number,
  precision: Precision = 'float32',
): tf.Tensor4D {
  const { gamma1, beta1, gamma2, beta2 } = weights;
  const [filter1, filter2] = [filterIn(precision, weights.filter1), filterIn(precision, weights.filter2)];
  const inner = conv2d(batchNormReluInference(x, gamma1, beta1, mean1, variance1, epsilon), filter1, stride, 1);
  const outer = conv2d(batchNormReluInference(inner, gamma2, beta2, mean2, variance2, epsilon), filter2, 1, 1);
  return tf.add(outer, shortcutOf(x, weights, stride, precision));
}

/** `preActivationBlockTrain` out of batch norms and convolutions. */
export function composedBlockTrain(
  x: tf.Tensor4D,
  weights: BlockWeights,
  stride: number,
  epsilon: number,
  precision: Precision = 'float32',
): TrainedBlock {
  const { gamma1, beta1, gamma2, beta2 } = weights;
  const [filter1, filter2] = [filterIn(precision, weights.filter1), filterIn(precision, weights.filter2)];
  const first = batchNormReluTrain(x, gamma1, beta1, epsilon);
  const second = batchNormReluTrain(conv2d(first.output, filter1, stride, 1), gamma2, beta2, epsilon);
  const output = tf.add(conv2d(second.output, filter2, 1, 1), shortcutOf(x, weights, stride, precision)) as tf.Tensor4D;
  return { output, mean1: first.mean, variance1: first.variance, mean2: second.mean, variance2: second.variance };
}
