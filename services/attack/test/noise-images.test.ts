import { inversionStarts } from '@percept/attacks';
import { expect, it } from 'vitest';
import { noiseImages } from '../src/noise-images.js';

const shape = [28, 28, 1] as const;
const normalisation = { mean: [0.13], std: [0.31] };

it('makes the noise of all samples as if at once, and lets the event loop turn meanwhile', async () => {
  const sampleIds = Int32Array.from({ length: 200 }, (_, i) => i + 7);
  let turns = 0;
  let done = false;
  const turn = (): void => {
    turns += 1;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  const images = await noiseImages(sampleIds, shape, normalisation, 5);
  done = true;
  expect(turns).toBeGreaterThanOrEqual(9);
  expect(images).toEqual(inversionStarts(sampleIds, shape, normalisation.mean, normalisation.std, 5));
});

it('makes images larger than a turn’s work one by one', async () => {
  const large = [200, 200, 1] as const;
  const images = await noiseImages(Int32Array.of(3, 1), large, normalisation, 2);
  expect(images).toEqual(inversionStarts(Int32Array.of(3, 1), large, normalisation.mean, normalisation.std, 2));
});
