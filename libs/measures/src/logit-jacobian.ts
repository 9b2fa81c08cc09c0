import type { Classifier } from '@percept/models';
import { hostResult, inputGradient } from '@percept/tensor';
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
  return hostResult(() => {
    const x = tf.tensor4d(images, [batch, ...model.inputShape]);
    const logits = model.logits(x).dataSync<'float32'>().slice();
    const rows = Array.from({ length: model.classes }, (_, k) => {
      return hostResult(() => {
        const logitOfClass = (input: tf.Tensor4D): tf.Tensor1D =>
          tf.reshape(tf.slice(model.logits(input), [0, k], [batch, 1]), [batch]);
        const { losses, gradient } = inputGradient(logitOfClass, x);
        losses.dispose();
        return gradient.dataSync<'float32'>().slice();
      });
    });
    return { logits, rows };
  });
}
