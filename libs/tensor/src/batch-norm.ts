import * as tf from '@tensorflow/tfjs-core';
import { composedBatchNormInference, composedBatchNormTrain } from './composed-batch-norm.js';
import { hasKernel, runKernel, runKernelForAll } from './kernel-call.js';

/** The result of a training-mode batch normalisation. */
export interface BatchNormTraining {
  readonly output: tf.Tensor4D;
  /** Mean per channel over batch, height and width. */
  readonly mean: tf.Tensor1D;
  /** Biased variance per channel. */
  readonly variance: tf.Tensor1D;
}

/** Normalises by the batch's own statistics: gamma (x - mean) / sqrt(variance + epsilon) + beta. All gradients flow, twice. */
export function batchNormTrain(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
): BatchNormTraining {
  if (!hasKernel('BatchNormTrain')) return composedBatchNormTrain(x, gamma, beta, epsilon);
  return fusedTraining(x, gamma, beta, epsilon, false);
}

/** `batchNormTrain` followed by a relu, in one pass where the engine can. */
export function batchNormReluTrain(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
): BatchNormTraining {
  if (hasKernel('BatchNormTrain')) return fusedTraining(x, gamma, beta, epsilon, true);
  const { output, mean, variance } = composedBatchNormTrain(x, gamma, beta, epsilon);
  return { output: tf.relu(output), mean, variance };
}

/** Normalises by given statistics: gamma (x - mean) / sqrt(variance + epsilon) + beta. All gradients flow, twice. */
export function batchNormInference(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  mean: tf.Tensor1D,
  variance: tf.Tensor1D,
  epsilon: number,
): tf.Tensor4D {
  if (!hasKernel('BatchNormInference')) return composedBatchNormInference(x, gamma, beta, mean, variance, epsilon);
  return runKernel('BatchNormInference', { x, gamma, beta, mean, variance }, { epsilon, relu: false });
}

/** `batchNormInference` followed by a relu, in one pass where the engine can. */
export function batchNormReluInference(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  mean: tf.Tensor1D,
  variance: tf.Tensor1D,
  epsilon: number,
): tf.Tensor4D {
  if (!hasKernel('BatchNormInference')) {
    return tf.relu(composedBatchNormInference(x, gamma, beta, mean, variance, epsilon));
  }
  return runKernel('BatchNormInference', { x, gamma, beta, mean, variance }, { epsilon, relu: true });
}

function fusedTraining(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
  relu: boolean,
): BatchNormTraining {
  const [output, mean, variance] = runKernelForAll<[tf.Tensor4D, tf.Tensor1D, tf.Tensor1D]>(
    'BatchNormTrain',
    { x, gamma, beta },
    { epsilon, relu },
  );
  return { output, mean, variance };
}
