import * as tf from '@tensorflow/tfjs-core';
import type { BatchNormTraining } from './batch-norm.js';

const spatialAxes = [0, 1, 2];

/** `batchNormTrain` out of TF.js's own operations. */
export function composedBatchNormTrain(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
): BatchNormTraining {
  const mean = tf.mean(x, spatialAxes) as tf.Tensor1D;
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), spatialAxes) as tf.Tensor1D;
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon)));
  return { output: tf.add(tf.mul(centred, scale), beta) as tf.Tensor4D, mean, variance };
}

/** `batchNormInference` out of TF.js's own operations. */
export function composedBatchNormInference(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  mean: tf.Tensor1D,
  variance: tf.Tensor1D,
  epsilon: number,
): tf.Tensor4D {
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon)));
  return tf.add(tf.mul(tf.sub(x, mean), scale), beta) as tf.Tensor4D;
}
