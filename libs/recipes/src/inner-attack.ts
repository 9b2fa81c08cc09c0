import { linfStep } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { parameter, type TrainingStep, uniformNoise } from './training-step.js';

/**
 * The l_inf attack inside a minimax recipe: uniform start in ball and box, then `attack_steps` sign steps of `attack_step` that raise `loss`.
 *
 * The model is used in inference mode (its running statistics stay untouched), all images take all steps. The caller disposes the result.
 */
export async function innerAttack(
  step: TrainingStep,
  loss: (images: tf.Tensor4D) => tf.Tensor1D,
  steps: number = parameter(step, 'attack_steps'),
): Promise<tf.Tensor4D> {
  const epsilon = parameter(step, 'epsilon');
  const length = parameter(step, 'attack_step');
  let iterate = tf.tidy(() =>
    tf.clipByValue(tf.add(step.images, uniformNoise(step, epsilon, 'training attack')), 0, 1),
  ) as tf.Tensor4D;
  const ascent = tf.grad((images: tf.Tensor) => tf.sum(loss(images as tf.Tensor4D)));
  try {
    for (let i = 0; i < steps; i++) {
      await step.checkpoint();
      const next = tf.tidy(() => linfStep(iterate, ascent(iterate) as tf.Tensor4D, step.images, length, epsilon));
      iterate.dispose();
      iterate = next;
    }
    return iterate;
  } catch (error) {
    iterate.dispose();
    throw error;
  }
}
