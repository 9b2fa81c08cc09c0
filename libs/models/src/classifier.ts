import type { Precision } from '@percept/tensor';
import type { Tensor2D, Tensor4D } from '@tensorflow/tfjs-core';

/** A classifier in inference mode. */
export interface Classifier {
  readonly classes: number;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  /** Logits [batch, classes] of NHWC float32 images in [0, 1]; differentiable with respect to the images. */
  logits(images: Tensor4D): Tensor2D;
  /** The same classifier with its filters in `precision`; absent where it has but one. `logits` are those of float32 unless asked for otherwise. */
  withPrecision?(precision: Precision): Classifier;
}
