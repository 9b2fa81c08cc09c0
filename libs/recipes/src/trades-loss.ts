import type { PreActResNet } from '@percept/models';
import { klDivergence, softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';

/** The two terms of TRADES on one batch, scalars. */
export interface TradesLoss {
  readonly loss: tf.Scalar;
  readonly kl: tf.Scalar;
}

/**
 * Eq. 2.6 with the Kullback-Leibler divergence: mean CE(f(x), y) and mean KL(f(x) || f(x_adv)) in training mode, gradients through both.
 *
 * Each forward pass uses its own batch's statistics; only the clean one moves the running statistics.
 */
export function tradesLoss(
  model: PreActResNet,
  images: tf.Tensor4D,
  adversarial: tf.Tensor4D,
  targets: tf.Tensor2D,
): TradesLoss {
  const clean = model.logitsTraining(images, 'update');
  const perturbed = model.logitsTraining(adversarial, 'keep');
  return {
    loss: tf.mean(softmaxCrossEntropy(clean, targets)) as tf.Scalar,
    kl: tf.mean(klDivergence(clean, perturbed)) as tf.Scalar,
  };
}
