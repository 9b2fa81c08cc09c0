import { createHash } from 'node:crypto';

/** Labelled images of one size, kept as bytes: pixel value / 255 is the image in [0, 1]. */
export class Split {
  readonly name: string;
  /** Height, width, channels. */
  readonly shape: readonly [number, number, number];
  readonly labels: Uint16Array;
  readonly #pixels: Uint8Array;
  #digest: string | undefined;

  /** `pixels` holds one NHWC image per label. */
  constructor(name: string, shape: readonly [number, number, number], pixels: Uint8Array, labels: Uint16Array) {
    if (pixels.length !== labels.length * shape[0] * shape[1] * shape[2]) {
      throw new RangeError(`${labels.length} images of [${shape.join(', ')}] do not fill ${pixels.length} bytes`);
    }
    this.name = name;
    this.shape = shape;
    this.labels = labels;
    this.#pixels = pixels;
  }

  get count(): number {
    return this.labels.length;
  }

  /** Values per image. */
  get size(): number {
    return this.shape[0] * this.shape[1] * this.shape[2];
  }

  /** SHA-256 of pixels and labels. */
  get digest(): string {
    this.#digest ??= createHash('sha256')
      .update(this.#pixels)
      .update(new Uint8Array(this.labels.buffer, this.labels.byteOffset, this.labels.byteLength))
      .digest('hex');
    return this.#digest;
  }

  /** The bytes of all images; not to be changed. */
  get pixels(): Uint8Array {
    return this.#pixels;
  }

  /** The bytes of one image; not to be changed. */
  bytes(index: number): Uint8Array {
    return this.#pixels.subarray(index * this.size, (index + 1) * this.size);
  }

  /** Images in [0, 1], flattened, in the order of `indices`. Throws RangeError. */
  images(indices: ArrayLike<number>): Float32Array {
    const images = new Float32Array(indices.length * this.size);
    for (let row = 0; row < indices.length; row++) {
      const index = indices[row] as number;
      if (!(Number.isInteger(index) && index >= 0 && index < this.count)) {
        throw new RangeError(`there is no sample ${index} among ${this.count}`);
      }
      const bytes = this.bytes(index);
      for (let i = 0; i < bytes.length; i++) images[row * this.size + i] = (bytes[i] as number) / 255;
    }
    return images;
  }

  /** Samples per class. */
  classCounts(classes: number): number[] {
    const counts = new Array<number>(classes).fill(0);
    for (const label of this.labels) counts[label] = (counts[label] ?? 0) + 1;
    return counts;
  }
}
