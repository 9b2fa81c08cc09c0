import * as tf from '@tensorflow/tfjs-core';

/** The result of a training-mode batch normalisation. */
export interface BatchNormTraining {
  readonly output: tf.Tensor4D;
  /** Mean per channel over batch, height and width. */
  readonly mean: tf.Tensor1D;
  /** Biased variance per channel. */
  readonly variance: tf.Tensor1D;
}

const spatialAxes = [0, 1, 2];

/** Normalises by the batch's own statistics: gamma (x - mean) / sqrt(variance + epsilon) + beta. All gradients flow, twice. */
export function batchNormTrain(
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

/** Normalises by given statistics: x scale + (beta - mean scale), scale = gamma / sqrt(variance + epsilon). */
export function batchNormInference(
  x: tf.Tensor4D,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  mean: tf.Tensor1D,
  variance: tf.Tensor1D,
  epsilon: number,
): tf.Tensor4D {
  const scale = tf.mul(gamma, tf.rsqrt(tf.add(variance, epsilon)));
  return tf.add(tf.mul(x, scale), tf.sub(beta, tf.mul(mean, scale))) as tf.Tensor4D;
}
