import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';

/** A classifier in inference mode. */
export interface Classifier {
  readonly classes: number;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  /** Logits [batch, classes] of NHWC float32 images in [0, 1]; differentiable with respect to the images. */
  logits(images: Tensor4D): Tensor2D;
}
