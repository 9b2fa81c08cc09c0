import * as tf from '@tensorflow/tfjs-core';

/** max(x, 0); its derivative at 0 is 0. */
export function relu<T extends tf.Tensor>(x: T): T {
  return tf.relu(x);
}

/** The mean over height and width: [batch, height, width, channels] to [batch, channels]. */
export function globalMeanPool(x: tf.Tensor4D): tf.Tensor2D {
  return tf.mean(x, [1, 2]) as tf.Tensor2D;
}

/** x weight + bias; `weight` [in, out]. */
export function dense(x: tf.Tensor2D, weight: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D {
  return tf.add(tf.matMul(x, weight), bias) as tf.Tensor2D;
}
