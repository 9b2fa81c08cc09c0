import * as tf from '@tensorflow/tfjs-core';

/** Per-sample losses and the gradient of their sum with respect to the input. */
export interface InputGradient {
  readonly losses: tf.Tensor1D;
  readonly gradient: tf.Tensor4D;
}

/** Losses of `images` and the input gradient of their SUM, so that row i is the gradient of loss i; no parameter gradient is computed. */
export function inputGradient(loss: (images: tf.Tensor4D) => tf.Tensor1D, images: tf.Tensor4D): InputGradient {
  const losses = (x: tf.Tensor): tf.Tensor => loss(x as tf.Tensor4D);
  return tf.tidy((): InputGradient & Record<string, tf.Tensor> => {
    const ones: tf.Tensor = tf.fill([images.shape[0]], 1);
    const { value, grad } = tf.valueAndGrad(losses)(images as tf.Tensor, ones);
    return { losses: value as tf.Tensor1D, gradient: grad as tf.Tensor4D };
  });
}
