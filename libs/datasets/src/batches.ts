import { permutation, RandomStream } from '@percept/tensor';
import { type Augmentation, noAugmentation } from './dataset.js';
import type { Split } from './split.js';

/** How an epoch is cut into batches. */
export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  readonly shuffle: boolean;
  readonly augmentation: Augmentation;
  /** Use only the first so many samples. */
  readonly limit?: number;
}

/** One batch of labelled images, flattened NHWC: pixel value / 255 is the image in [0, 1]. */
export interface LabelledBatch {
  readonly pixels: Uint8Array;
  readonly labels: Int32Array;
  /** Numbers of the samples within the split. */
  readonly sampleIds: Int32Array;
}

/** The batches of every epoch of a split: each a pure function of seed, epoch and index. The last batch of an epoch may be smaller. */
export class EpochBatches {
  readonly #split: Split;
  readonly #options: BatchOptions;
  readonly #count: number;
  #order: { readonly epoch: number; readonly indices: ArrayLike<number> } | undefined;

  constructor(split: Split, options: BatchOptions) {
    if (!(Number.isInteger(options.batchSize) && options.batchSize >= 1))
      throw new RangeError(`batch size ${options.batchSize} is not positive`);
    this.#split = split;
    this.#options = options;
    this.#count = Math.min(options.limit ?? split.count, split.count);
  }

  get batchesPerEpoch(): number {
    return Math.ceil(this.#count / this.#options.batchSize);
  }

  /** Batch `index` of `epoch`, both from 0. Throws RangeError. */
  batch(epoch: number, index: number): LabelledBatch {
    if (!(index >= 0 && index < this.batchesPerEpoch))
      throw new RangeError(`there is no batch ${index} among ${this.batchesPerEpoch}`);
    const { batchSize, seed, augmentation } = this.#options;
    const order = this.#orderOf(epoch);
    const sampleIds = Int32Array.from(
      { length: Math.min(batchSize, this.#count - index * batchSize) },
      (_, i) => order[index * batchSize + i] as number,
    );
    const { size } = this.#split;
    const pixels = new Uint8Array(sampleIds.length * size);
    for (const [row, sample] of sampleIds.entries()) pixels.set(this.#split.bytes(sample), row * size);
    if (augmentation.cropPadding > 0 || augmentation.horizontalFlip) {
      for (const [row, sample] of sampleIds.entries()) {
        const stream = new RandomStream({ seed, purpose: 'augmentation', sample, step: epoch });
        const image = pixels.subarray(row * size, (row + 1) * size);
        image.set(augment(image, this.#split.shape, augmentation, stream));
      }
    }
    return { pixels, labels: Int32Array.from(sampleIds, (sample) => this.#split.labels[sample] as number), sampleIds };
  }

  #orderOf(epoch: number): ArrayLike<number> {
    if (this.#order?.epoch !== epoch) {
      const { seed, shuffle } = this.#options;
      const indices = shuffle
        ? permutation({ seed, purpose: 'order of samples', step: epoch }, this.#count)
        : Uint32Array.from({ length: this.#count }, (_, i) => i);
      this.#order = { epoch, indices };
    }
    return this.#order.indices;
  }
}

/** A randomly shifted, randomly mirrored copy of an image; what is shifted in is 0 (a black border, as in the published code). */
export function augment(
  image: Uint8Array,
  [height, width, channels]: readonly [number, number, number],
  { cropPadding, horizontalFlip }: Augmentation = noAugmentation,
  stream: RandomStream,
): Uint8Array {
  const shiftY = cropPadding > 0 ? stream.nextInteger(2 * cropPadding + 1) - cropPadding : 0;
  const shiftX = cropPadding > 0 ? stream.nextInteger(2 * cropPadding + 1) - cropPadding : 0;
  const mirrored = horizontalFlip && stream.nextInteger(2) === 1;
  const changed = new Uint8Array(image.length);
  for (let y = 0; y < height; y++) {
    const fromY = y + shiftY;
    if (fromY < 0 || fromY >= height) continue;
    for (let x = 0; x < width; x++) {
      const fromX = (mirrored ? width - 1 - x : x) + shiftX;
      if (fromX < 0 || fromX >= width) continue;
      for (let c = 0; c < channels; c++) {
        changed[(y * width + x) * channels + c] = image[(fromY * width + fromX) * channels + c] as number;
      }
    }
  }
  return changed;
}
