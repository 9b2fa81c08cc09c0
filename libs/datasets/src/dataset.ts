import type { Split } from './split.js';

/** Random changes of training images: zero padding with a crop back to size, and a mirror image half of the time. */
export interface Augmentation {
  readonly cropPadding: number;
  readonly horizontalFlip: boolean;
}

/** No augmentation. */
export const noAugmentation: Augmentation = { cropPadding: 0, horizontalFlip: false };

/** What a data set declares about itself. */
export interface DatasetDeclaration {
  readonly name: string;
  readonly description: string;
  readonly classNames: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** The threat that its models are trained and measured against, in pixel units. */
  readonly norm: number;
  readonly epsilon: number;
  readonly grid: readonly number[];
  readonly augmentation: Augmentation;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** A data set in memory. */
export interface LoadedDataset {
  readonly declaration: DatasetDeclaration;
  readonly splits: readonly Split[];
}
