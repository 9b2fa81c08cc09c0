import * as tf from '@tensorflow/tfjs-core';

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
  tf.tidy(() => {
    const decayed = settings.weightDecay === 0 ? gradient : tf.add(gradient, tf.mul(parameter, settings.weightDecay));
    velocity.assign(tf.add(tf.mul(velocity, settings.momentum), decayed));
    parameter.assign(tf.sub(parameter, tf.mul(velocity, settings.learningRate)));
  });
}
