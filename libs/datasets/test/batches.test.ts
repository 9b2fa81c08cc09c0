import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EpochBatches, noAugmentation, Split } from '../src/index.js';

function split(count: number): Split {
  const pixels = Uint8Array.from({ length: count * 4 * 4 }, (_, i) => (i * 37) % 256);
  return new Split(
    'train',
    [4, 4, 1],
    pixels,
    Uint16Array.from({ length: count }, (_, i) => i % 3),
  );
}

describe('EpochBatches', () => {
  it('shows every sample exactly once per epoch, the last batch being smaller', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 12 }),
        fc.nat(5),
        (count, batchSize, epoch) => {
          const batches = new EpochBatches(split(count), {
            batchSize,
            seed: 3,
            shuffle: true,
            augmentation: noAugmentation,
          });
          const seen = Array.from({ length: batches.batchesPerEpoch }, (_, i) => [
            ...batches.batch(epoch, i).sampleIds,
          ]).flat();
          expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
        },
      ),
    );
  });

  it('is a pure function of seed, epoch and index, in whatever order it is asked', () => {
    const options = { batchSize: 5, seed: 1, shuffle: true, augmentation: { cropPadding: 1, horizontalFlip: true } };
    const [a, b] = [new EpochBatches(split(20), options), new EpochBatches(split(20), options)];
    const forwards = [0, 1].flatMap((epoch) => [0, 1, 2, 3].map((index) => a.batch(epoch, index)));
    const backwards = [1, 0].flatMap((epoch) => [3, 2, 1, 0].map((index) => b.batch(epoch, index))).reverse();
    expect(backwards).toEqual(forwards);
  });

  it('orders epochs differently and seeds differently', () => {
    const of = (seed: number, epoch: number): number[] => [
      ...new EpochBatches(split(30), { batchSize: 30, seed, shuffle: true, augmentation: noAugmentation }).batch(
        epoch,
        0,
      ).sampleIds,
    ];
    expect(of(0, 0)).not.toEqual(of(0, 1));
    expect(of(0, 0)).not.toEqual(of(1, 0));
  });

  it('augments only by shifting in black and mirroring', () => {
    const bright = new Split('train', [4, 4, 1], new Uint8Array(16).fill(255), Uint16Array.of(0));
    const batches = new EpochBatches(bright, {
      batchSize: 1,
      seed: 0,
      shuffle: false,
      augmentation: { cropPadding: 2, horizontalFlip: true },
    });
    for (let epoch = 0; epoch < 20; epoch++) {
      const { pixels } = batches.batch(epoch, 0);
      expect(pixels.every((value) => value === 0 || value === 255)).toBe(true);
      expect(pixels.filter((value) => value === 255).length).toBeGreaterThanOrEqual(4);
    }
  });
});
