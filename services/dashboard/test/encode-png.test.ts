import { inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { encodePng } from '../src/encode-png.js';

describe('encodePng', () => {
  it.each([1, 3])('writes size, colour type and every row of %i channels', (channels) => {
    const pixels = Uint8Array.from({ length: 2 * 3 * channels }, (_, index) => index * 7);
    const png = encodePng(pixels, 2, 3, channels);
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    expect([png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]]).toEqual([3, 2, 8, channels === 1 ? 0 : 2]);
    const length = png.readUInt32BE(33);
    const rows = inflateSync(png.subarray(41, 41 + length));
    const stride = 3 * channels;
    expect([...rows]).toEqual([0, ...pixels.subarray(0, stride), 0, ...pixels.subarray(stride)]);
  });

  it.each([
    [2, 3, 2],
    [2, 3, 1],
    [0, 0, 1],
  ])('refuses %i x %i x %i for five bytes', (height, width, channels) => {
    expect(() => encodePng(new Uint8Array(5), height, width, channels)).toThrow(RangeError);
  });
});
