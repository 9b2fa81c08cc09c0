import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';

/** What an attack needs of a model: inference-mode logits, differentiable with respect to the images. */
export interface Classifier {
  readonly classes: number;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  /** Logits [batch, classes] of NHWC float32 images in [0, 1]. */
  logits(images: Tensor4D): Tensor2D;
}
