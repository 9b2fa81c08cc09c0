import type { PreActResNet } from '@percept/models';
import { logSoftmax, softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { PenalisedLoss } from './gradient-penalty.js';

/**
 * s_k = v_k sqrt(f_k) - f_k sum_j v_j sqrt(f_j): the cotangent with J_z^T s = J_f^T F_f^(1/2) v, bounded because nothing is divided by f.
 *
 * `logits` and `directions` are [batch, classes].
 */
export function fimCotangent(logits: tf.Tensor2D, directions: tf.Tensor2D): tf.Tensor2D {
  const f = tf.softmax(logits);
  // sqrt(softmax(z)) = exp(log softmax(z) / 2), whose derivatives stay finite where f underflows.
  const root = tf.exp(tf.mul(logSoftmax(logits), 0.5));
  const weighted = tf.mul(directions, root);
  return tf.sub(weighted, tf.mul(f, tf.sum(weighted, 1, true))) as tf.Tensor2D;
}

/**
 * The projected Fisher penalty of Eq. 3.6 (Appendix D): epsilon^2 / 2 * K * mean_i ||J_z^T s_i||^2 with rows of `directions` uniform on the unit
 * sphere, whose expectation is epsilon^2 / 2 * mean_i ||F_f^(1/2) J||_F^2. `mode` training couples samples through batch norm, as training does.
 */
export function fimPenalty(
  logitsOf: (images: tf.Tensor4D) => tf.Tensor2D,
  images: tf.Tensor4D,
  logits: tf.Tensor2D,
  directions: tf.Tensor2D,
  epsilon: number,
): tf.Scalar {
  const [batch, classes] = directions.shape;
  const gradient = tf.grad((x: tf.Tensor) => logitsOf(x as tf.Tensor4D))(images, fimCotangent(logits, directions));
  return tf.mul(tf.sum(tf.square(gradient)), ((epsilon ** 2 / 2) * classes) / batch) as tf.Scalar;
}

/** Mean cross-entropy and projected Fisher penalty of one batch in training mode. */
export function fimPenalisedLoss(
  model: PreActResNet,
  images: tf.Tensor4D,
  targets: tf.Tensor2D,
  directions: tf.Tensor2D,
  epsilon: number,
): PenalisedLoss {
  const logits = model.logitsTraining(images, 'update');
  const loss = tf.mean(softmaxCrossEntropy(logits, targets)) as tf.Scalar;
  const penalty = fimPenalty((x) => model.logitsTraining(x, 'keep'), images, logits, directions, epsilon);
  return { loss, penalty };
}

/**
 * What the published code trains instead of Eq. 3.6: K epsilon^2 / (2 batch) * sum_i ||grad_x z_0||^2 / f_0^2, the first logit only, the weight
 * 1/f in place of 1/sqrt(f). It explodes where f_0 is small.
 */
export function publishedFimPenalty(
  model: PreActResNet,
  images: tf.Tensor4D,
  targets: tf.Tensor2D,
  epsilon: number,
): PenalisedLoss {
  const [batch, classes] = targets.shape;
  const logits = model.logitsTraining(images, 'update');
  const loss = tf.mean(softmaxCrossEntropy(logits, targets)) as tf.Scalar;
  const first = tf.cast(tf.oneHot(tf.zeros([batch], 'int32'), classes), 'float32');
  const weight = tf.div(first, tf.maximum(tf.softmax(logits), 1e-8)) as tf.Tensor2D;
  const gradient = tf.grad((x: tf.Tensor) => model.logitsTraining(x as tf.Tensor4D, 'keep'))(images, weight);
  return { loss, penalty: tf.mul(tf.sum(tf.square(gradient)), ((epsilon ** 2 / 2) * classes) / batch) as tf.Scalar };
}
