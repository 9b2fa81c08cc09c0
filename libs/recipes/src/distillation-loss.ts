import { softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** Softened targets softmax(z / T) of a teacher's logits [batch, classes]. */
export function softTargets(teacherLogits: tf.Tensor2D, temperature: number): tf.Tensor2D {
  return tf.softmax(tf.div(teacherLogits, temperature)) as tf.Tensor2D;
}

/** Mean cross-entropy of softmax(z / T) against targets, without a factor T^2 (section 2.1.2). */
export function temperedLoss(logits: tf.Tensor2D, targets: tf.Tensor2D, temperature: number): tf.Scalar {
  const scaled = temperature === 1 ? logits : (tf.div(logits, temperature) as tf.Tensor2D);
  return tf.mean(softmaxCrossEntropy(scaled, targets)) as tf.Scalar;
}
