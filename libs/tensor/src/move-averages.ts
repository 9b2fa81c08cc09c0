import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernelForAll } from './kernel-call.js';

/**
 * Moves running statistics towards a batch's, as PyTorch does: r <- (1 - momentum) r + momentum s, where the variance s is the unbiased one,
 * `variance` count / (count - 1). `variance` is biased, over `count` values per channel. Updates both variables in place; no gradients.
 */
export function moveAverages(
  runningMean: tf.Variable,
  runningVariance: tf.Variable,
  mean: tf.Tensor1D,
  variance: tf.Tensor1D,
  momentum: number,
  count: number,
): void {
  const varianceFactor = count / Math.max(1, count - 1);
  tf.tidy(() => {
    if (hasKernel('MoveAverages')) {
      const inputs = { runningMean, runningVariance, mean, variance };
      const [newMean, newVariance] = runKernelForAll<tf.Tensor[]>('MoveAverages', inputs, { momentum, varianceFactor });
      // Absent when the kernel could change the variables in place.
      if (newMean) runningMean.assign(newMean);
      if (newVariance) runningVariance.assign(newVariance);
      return;
    }
    const move = (running: tf.Variable, value: tf.Tensor): void =>
      running.assign(tf.add(tf.mul(running, 1 - momentum), tf.mul(value, momentum)));
    move(runningMean, mean);
    move(runningVariance, tf.mul(variance, varianceFactor));
  });
}
