import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './kernel-call.js';

/** Moves `iterate` by `step` along the sign of `gradient`, then into the l_inf ball of radius `epsilon` around `centre` and into [0, 1] (Eq. 2.3). */
export function linfStep(
  iterate: tf.Tensor4D,
  gradient: tf.Tensor4D,
  centre: tf.Tensor4D,
  step: number,
  epsilon: number,
): tf.Tensor4D {
  if (hasKernel('LinfStep')) return runKernel('LinfStep', { iterate, gradient, centre }, { step, epsilon });
  return composedLinfStep(iterate, gradient, centre, step, epsilon);
}

/** `linfStep` out of TF.js's own operations. */
export function composedLinfStep(
  iterate: tf.Tensor4D,
  gradient: tf.Tensor4D,
  centre: tf.Tensor4D,
  step: number,
  epsilon: number,
): tf.Tensor4D {
  return tf.tidy(() => {
    const moved = tf.add(iterate, tf.mul(tf.sign(gradient), step));
    const inBall = tf.minimum(tf.maximum(moved, tf.sub(centre, epsilon)), tf.add(centre, epsilon));
    return tf.clipByValue(inBall, 0, 1) as tf.Tensor4D;
  });
}
