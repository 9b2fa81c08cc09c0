import * as tf from '@tensorflow/tfjs-core';

/**
 * Runs `work`, frees every tensor it made, and answers with its result, which must hold plain data and no tensors.
 *
 * tf.tidy would search the result for tensors to keep, value by value through every typed array: for a batch of gradients that takes
 * a third of the time of the gradients themselves.
 */
export function hostResult<Result>(work: () => Result): Result {
  const engine = tf.engine();
  engine.startScope('hostResult');
  try {
    return work();
  } finally {
    engine.endScope();
  }
}
