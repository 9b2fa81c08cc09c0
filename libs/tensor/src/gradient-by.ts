import * as tf from '@tensorflow/tfjs-core';

/** The gradient of <compute(at), u> with respect to `at`, through compute's own operations; for use inside a kernel's gradient. */
export function gradientBy(compute: (at: tf.Tensor) => tf.Tensor, at: tf.Tensor, u: tf.Tensor): tf.Tensor {
  const { state } = tf.engine();
  // At depth 0 TF.js would take the tape of the gradient that is being computed around this one for its own, and throw it away.
  state.gradientDepth++;
  try {
    return tf.grad(compute)(at, u);
  } finally {
    state.gradientDepth--;
  }
}
