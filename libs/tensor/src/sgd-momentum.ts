import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernelForAll } from './kernel-call.js';

/** Settings of one optimiser step. */
export interface SgdSettings {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

/** One step of SGD as PyTorch has it: v <- momentum v + (g + weightDecay p), p <- p - learningRate v. Updates both variables in place. */
export function sgdMomentumStep(
  parameter: tf.Variable,
  velocity: tf.Variable,
  gradient: tf.Tensor,
  settings: SgdSettings,
): void {
  if (!hasKernel('SgdMomentum')) {
    composedSgdMomentumStep(parameter, velocity, gradient, settings);
    return;
  }
  const { learningRate, momentum, weightDecay } = settings;
  tf.tidy(() => {
    const inputs = { parameter, velocity, gradient };
    const [newParameter, newVelocity] = runKernelForAll<tf.Tensor[]>('SgdMomentum', inputs, {
      learningRate,
      momentum,
      weightDecay,
    });
    // Absent when the kernel could change the variables in place.
    if (newParameter) parameter.assign(newParameter);
    if (newVelocity) velocity.assign(newVelocity);
  });
}

/** `sgdMomentumStep` out of TF.js's own operations. */
export function composedSgdMomentumStep(
  parameter: tf.Variable,
  velocity: tf.Variable,
  gradient: tf.Tensor,
  settings: SgdSettings,
): void {
  tf.tidy(() => {
    const decayed = settings.weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(parameter, settings.weightDecay));
    velocity.assign(tf.add(tf.mul(velocity, settings.momentum), decayed));
    parameter.assign(tf.sub(parameter, tf.mul(velocity, settings.learningRate)));
  });
}
