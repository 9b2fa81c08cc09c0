import * as tf from '@tensorflow/tfjs-core';

/** What the filters of a network's residual blocks are kept in. All else, arithmetic and gradients included, is float32. */
export const precisions = ['float32', 'bfloat16'] as const;

export type Precision = (typeof precisions)[number];

/**
 * Every element rounded to the nearest bfloat16 (8 bits of significand, ties to even), for magnitudes from 2^-126 to 2^110; a smaller one moves by
 * less than 2^-133. The gradient passes as through the identity.
 *
 * Veltkamp's splitting in float32 (Dekker, 1971): with c = (2^16 + 1) x, c - (c - x) is x to 8 bits.
 */
export function roundToBfloat16<T extends tf.Tensor>(x: T): T {
  return straightThrough(x) as T;
}

const straightThrough = tf.customGrad((x) => {
  const c = tf.mul(x as tf.Tensor, 2 ** 16 + 1);
  return { value: tf.sub(c, tf.sub(c, x as tf.Tensor)), gradFunc: (dy: tf.Tensor) => dy };
});

/** `filter` as a network of this precision convolves with it. */
export function filterIn(precision: Precision, filter: tf.Tensor4D): tf.Tensor4D {
  return precision === 'bfloat16' ? roundToBfloat16(filter) : filter;
}
