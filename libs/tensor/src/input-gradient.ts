import * as tf from '@tensorflow/tfjs-core';

/** Per-sample losses and the gradient of their sum with respect to the input. */
export interface InputGradient {
  readonly losses: tf.Tensor1D;
  readonly gradient: tf.Tensor4D;
}

/** Losses of `images` and the input gradient of their SUM, so that row i is the gradient of loss i; no parameter gradient is computed. */
export function inputGradient(loss: (images: tf.Tensor4D) => tf.Tensor1D, images: tf.Tensor4D): InputGradient {
  let losses: tf.Tensor1D | undefined;
  const gradient = tf.grad((x) => {
    const perSample = loss(x as tf.Tensor4D);
    losses = tf.keep(perSample.clone());
    return tf.sum(perSample);
  })(images) as tf.Tensor4D;
  return { losses: losses as unknown as tf.Tensor1D, gradient };
}
