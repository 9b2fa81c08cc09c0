import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** The largest difference of two tensors, relative to the largest value. */
export function distance(a: tf.Tensor, b: tf.Tensor): number {
  return tf.tidy(
    () => tf.div(tf.max(tf.abs(tf.sub(a, b))), tf.maximum(tf.max(tf.abs(b)), 1e-6)).dataSync()[0] as number,
  );
}

/** As many tensors, each within the tolerance of its distance. */
export function expectSame(actual: readonly tf.Tensor[], expected: readonly tf.Tensor[], tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  for (const [i, tensor] of actual.entries()) {
    expect(distance(tensor, expected[i] as tf.Tensor), `tensor ${i}`).toBeLessThan(tolerance);
  }
}
