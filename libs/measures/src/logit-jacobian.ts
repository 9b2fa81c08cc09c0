import type { Classifier } from '@percept/attacks';
import * as tf from '@tensorflow/tfjs-core';

/** Logits and their Jacobian with respect to the pixels, for a batch of images. */
export interface LogitJacobian {
  /** [batch, classes]. */
  readonly logits: Float32Array;
  /** One array per class: grad_x z_k for every image, [batch, values per image]. */
  readonly rows: readonly Float32Array[];
}

/** The Jacobian of the logits of `batch` flattened images in [0, 1], by one backward pass per class. */
export function logitJacobian(model: Classifier, images: Float32Array, batch: number): LogitJacobian {
  return tf.tidy(() => {
    const x = tf.tensor4d(images, [batch, ...model.inputShape]);
    const logits = Float32Array.from(model.logits(x).dataSync());
    const rows = Array.from({ length: model.classes }, (_, k) => {
      const sumOfLogit = (input: tf.Tensor): tf.Tensor =>
        tf.sum(tf.slice(model.logits(input as tf.Tensor4D), [0, k], [batch, 1]));
      return tf.tidy(() => Float32Array.from(tf.grad(sumOfLogit)(x).dataSync()));
    });
    return { logits, rows };
  });
}
