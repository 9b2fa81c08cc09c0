/** Labelled images under test: n flattened NHWC float32 images in [0, 1], their true classes and their identities in the data set. */
export interface Samples {
  readonly images: Float32Array;
  readonly labels: Int32Array;
  readonly ids: Int32Array;
}

/** Values per image. An empty set has none. */
export function valuesPerImage(samples: Samples): number {
  return samples.ids.length === 0 ? 0 : samples.images.length / samples.ids.length;
}

/** The samples at `positions`, copied, in that order. */
export function selectSamples(samples: Samples, positions: readonly number[]): Samples {
  const length = valuesPerImage(samples);
  const images = new Float32Array(positions.length * length);
  for (const [row, position] of positions.entries()) {
    images.set(samples.images.subarray(position * length, (position + 1) * length), row * length);
  }
  return {
    images,
    labels: Int32Array.from(positions, (position) => samples.labels[position] as number),
    ids: Int32Array.from(positions, (position) => samples.ids[position] as number),
  };
}

/** Consecutive shards of `size` samples each (the last may be smaller): the fixed composition in which a profile is computed by many workers. */
export function shardSamples(samples: Samples, size: number): Samples[] {
  if (!Number.isInteger(size) || size < 1) throw new RangeError(`shard size must be a positive integer, got ${size}`);
  const count = samples.ids.length;
  const length = valuesPerImage(samples);
  const shards: Samples[] = [];
  for (let first = 0; first < count; first += size) {
    const last = Math.min(first + size, count);
    shards.push({
      images: samples.images.slice(first * length, last * length),
      labels: samples.labels.slice(first, last),
      ids: samples.ids.slice(first, last),
    });
  }
  return shards;
}
