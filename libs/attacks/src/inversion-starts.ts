import { inversionStream } from './random.js';

/**
 * Starts of a model inversion: mean + std^2 * U(-1, 1) per channel, clamped to [0, 1] (the published code draws std * U(-1, 1) in normalised space).
 *
 * `shape` is height, width, channels; `mean` and `std` hold one value per channel in pixel units; one start per sample id, flattened NHWC.
 * A pure function of (seed, sample id), so that every model of a comparison begins from the same noise.
 */
export function inversionStarts(
  sampleIds: Int32Array,
  shape: readonly [number, number, number],
  mean: readonly number[],
  std: readonly number[],
  seed: number,
): Float32Array {
  const channels = shape[2];
  if (mean.length !== channels || std.length !== channels) {
    throw new RangeError(`mean and std need one value for each of ${channels} channels`);
  }
  const length = shape[0] * shape[1] * channels;
  const starts = new Float32Array(sampleIds.length * length);
  for (const [index, sampleId] of sampleIds.entries()) {
    const stream = inversionStream(seed, sampleId);
    for (let i = 0; i < length; i++) {
      const c = i % channels;
      const value = (mean[c] as number) + (std[c] as number) ** 2 * (2 * stream.nextUniform() - 1);
      starts[index * length + i] = Math.min(Math.max(value, 0), 1);
    }
  }
  return starts;
}
