import { setImmediate as nextTurn } from 'node:timers/promises';
import { inversionStarts } from '@percept/attacks';
import type { ModelInput } from './attacked-model.js';

/** Values made between two turns of the event loop: about 5 ms of work, after which other calls get their turn. */
const valuesPerTurn = 16_384;

/**
 * The noise images of `inversionStarts` for these samples, flattened NHWC images in [0, 1], made a few at a time so that the thread goes on answering.
 * Equal to those made at once.
 */
export async function noiseImages(
  sampleIds: Int32Array,
  shape: ModelInput['shape'],
  { mean, std }: NonNullable<ModelInput['normalisation']>,
  seed: number,
): Promise<Float32Array> {
  const size = shape[0] * shape[1] * shape[2];
  const imagesPerTurn = Math.max(1, Math.floor(valuesPerTurn / size));
  const images = new Float32Array(sampleIds.length * size);
  for (let at = 0; at < sampleIds.length; at += imagesPerTurn) {
    if (at > 0) await nextTurn();
    images.set(inversionStarts(sampleIds.subarray(at, at + imagesPerTurn), shape, mean, std, seed), at * size);
  }
  return images;
}
