import * as tf from '@tensorflow/tfjs-core';

/** The factor that brings the l_2 norm of all gradients together down to `largest`; 1 where it is below, or where `largest` is 0. */
export function clippingFactor(gradients: readonly tf.Tensor[], largest: number): number {
  if (largest === 0) return 1;
  const squared = tf.tidy(
    () => tf.addN(gradients.map((gradient) => tf.sum(tf.square(gradient)))).dataSync()[0] as number,
  );
  const norm = Math.sqrt(squared);
  return norm > largest ? largest / norm : 1;
}
