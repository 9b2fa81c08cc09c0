import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { encodePicture } from '../src/index.js';
import { pictureCell } from '../src/pictures.js';

describe('encodePicture', () => {
  it('repeats every pixel as a square, rounding and clipping to 8 bits', () => {
    const png = decode(encodePicture(Float32Array.of(0, 0.5, 1, 2), { height: 2, width: 2, channels: 1 }, 2));
    expect([png.width, png.height, png.channels]).toEqual([4, 4, 1]);
    expect([...png.data]).toEqual([0, 0, 128, 128, 0, 0, 128, 128, 255, 255, 255, 255, 255, 255, 255, 255]);
  });

  it('keeps the channels of a colour apart', () => {
    const png = decode(encodePicture(Float32Array.of(1, 0, 0, 0, 0, 1), { height: 1, width: 2, channels: 3 }, 1));
    expect([...png.data]).toEqual([255, 0, 0, 0, 0, 255]);
  });

  it.each([
    [3, { height: 2, width: 2, channels: 1 }],
    [8, { height: 2, width: 2, channels: 2 }],
  ])('refuses %i values for %o', (length, size) => {
    expect(() => encodePicture(new Float32Array(length), size)).toThrow(RangeError);
  });
});

describe('pictureCell', () => {
  it.each([
    [32, 32],
    [28, 28],
    [96, 96],
    [32, 16],
    [300, 200],
  ])('keeps the shape of %i x %i pixels near the size asked for', (height, width) => {
    const cell = pictureCell({ height, width, channels: 3 }, 64);
    expect(cell.width / cell.height).toBeCloseTo(width / height, 1);
    expect(Math.max(cell.width, cell.height)).toBeGreaterThanOrEqual(42);
    expect(Math.max(cell.width, cell.height)).toBeLessThanOrEqual(96);
  });
});
