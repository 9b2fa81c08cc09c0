import { describe, expect, it } from 'vitest';
import { loadEmbeddedMnist, mnistDeclaration } from '../src/index.js';

describe('the embedded MNIST sample', () => {
  it('has 400 training and 100 test digits of each class', async () => {
    const { splits } = await loadEmbeddedMnist();
    expect(splits.map(({ name, count }) => [name, count])).toEqual([
      ['train', 4000],
      ['test', 1000],
    ]);
    for (const [split, count] of [
      [splits[0], 400],
      [splits[1], 100],
    ] as const) {
      expect(split?.classCounts(10)).toEqual(new Array(10).fill(count));
    }
  });

  it('declares the mean and standard deviation of its training images', async () => {
    const { splits } = await loadEmbeddedMnist();
    const pixels = splits[0]?.images(Array.from({ length: 4000 }, (_, i) => i)) ?? new Float32Array(0);
    let sum = 0;
    let squares = 0;
    for (const value of pixels) {
      sum += value;
      squares += value * value;
    }
    const mean = sum / pixels.length;
    expect(mnistDeclaration.mean[0]).toBeCloseTo(mean, 4);
    expect(mnistDeclaration.std[0]).toBeCloseTo(Math.sqrt(squares / pixels.length - mean * mean), 4);
  });

  it('pads digits with two black pixels on every side and repeats grey in three channels', async () => {
    const { splits } = await loadEmbeddedMnist();
    const image = splits[1]?.bytes(0) ?? new Uint8Array(0);
    for (let y = 0; y < 32; y++) {
      for (let x = 0; x < 32; x++) {
        const [r, g, b] = image.subarray((y * 32 + x) * 3);
        expect([g, b]).toEqual([r, r]);
        if (x < 2 || y < 2 || x > 29 || y > 29) expect(r).toBe(0);
      }
    }
  });
});
