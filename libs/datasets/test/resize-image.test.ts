import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resizeImage } from '../src/resize-image.js';

const image = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.constantFrom(1, 3))
  .chain(([height, width, channels]) =>
    fc.uint8Array({ minLength: height * width * channels, maxLength: height * width * channels }).map((pixels) => ({
      pixels,
      shape: [height, width, channels] as const,
    })),
  );

describe('resizeImage', () => {
  it('leaves an image of the asked size as it is', () => {
    const pixels = Uint8Array.from({ length: 12 }, (_, i) => i);
    expect(resizeImage(pixels, [2, 2, 3], 2)).toBe(pixels);
  });

  it('halves by means of four pixels', () => {
    expect(resizeImage(Uint8Array.of(0, 10, 20, 30), [2, 2, 1], 1)).toEqual(Uint8Array.of(15));
  });

  it('doubles by repeating pixels', () => {
    expect(resizeImage(Uint8Array.of(1, 2, 3, 4), [2, 2, 1], 4)).toEqual(
      Uint8Array.of(1, 1, 2, 2, 1, 1, 2, 2, 3, 3, 4, 4, 3, 3, 4, 4),
    );
  });

  it('stays within the range of the image, and keeps the mean to half a level', () => {
    fc.assert(
      fc.property(image, fc.integer({ min: 1, max: 16 }), ({ pixels, shape }, size) => {
        const resized = resizeImage(pixels, shape, size);
        expect(resized).toHaveLength(size * size * shape[2]);
        expect(Math.min(...resized)).toBeGreaterThanOrEqual(Math.min(...pixels));
        expect(Math.max(...resized)).toBeLessThanOrEqual(Math.max(...pixels));
        const mean = (values: Uint8Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
        expect(Math.abs(mean(resized) - mean(pixels))).toBeLessThanOrEqual(0.5 + 1e-9);
      }),
    );
  });
});
