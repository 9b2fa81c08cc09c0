import type { PreActResNet } from '@percept/models';
import { softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Loss and penalty of one batch, scalars. */
export interface PenalisedLoss {
  /** The mean cross-entropy. */
  readonly loss: tf.Scalar;
  readonly penalty: tf.Scalar;
}

/**
 * The penalty of Eq. 3.1 in training mode: epsilon * mean_i ||grad_x loss_i||_q, where row i is taken from the gradient of the SUM of losses,
 * batch-norm coupling included. `reduction` `batch-mean` is what the published code trains: from the gradient of the MEAN loss, 1/batch of it.
 */
export function gradientPenalty(
  model: PreActResNet,
  images: tf.Tensor4D,
  targets: tf.Tensor2D,
  epsilon: number,
  q: 1 | 2,
  reduction: 'per-sample' | 'batch-mean' = 'per-sample',
): PenalisedLoss {
  const batch = images.shape[0];
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor) =>
    tf.sum(softmaxCrossEntropy(model.logitsTraining(x as tf.Tensor4D, 'update'), targets)),
  )(images);
  const axes = [1, 2, 3];
  const norms = q === 1 ? tf.sum(tf.abs(grad), axes) : tf.sqrt(tf.sum(tf.square(grad), axes));
  const scale = reduction === 'per-sample' ? epsilon / batch : epsilon / batch ** 2;
  return { loss: tf.div(value, batch) as tf.Scalar, penalty: tf.mul(tf.sum(norms), scale) as tf.Scalar };
}
