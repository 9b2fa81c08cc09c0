import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError, parseIdx } from '../src/index.js';

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  bytes.set([0, 0, 8, shape.length]);
  const view = new DataView(bytes.buffer);
  for (const [axis, side] of shape.entries()) view.setUint32(4 + 4 * axis, side);
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

describe('parseIdx', () => {
  it('reads back any array, plain or compressed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.boolean(), (data, compressed) => {
        const bytes = idx([data.length], data);
        const array = parseIdx(compressed ? gzipSync(bytes) : bytes, 'file');
        expect(array.shape).toEqual([data.length]);
        expect([...array.data]).toEqual([...data]);
      }),
    );
  });

  it('refuses every truncation, naming the file', () => {
    const bytes = idx([2, 3], new Uint8Array(6));
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseIdx(bytes.subarray(0, length), 'digits')).toThrow(/^digits: /);
    }
  });

  it.each([
    ['another element type', Uint8Array.of(0, 0, 0x0d, 1, 0, 0, 0, 0)],
    ['no magic number', Uint8Array.of(1, 2, 8, 1, 0, 0, 0, 0)],
    ['corrupt compression', Uint8Array.of(0x1f, 0x8b, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8)],
  ])('refuses %s', (_, bytes) => {
    expect(() => parseIdx(bytes, 'file')).toThrow(DatasetError);
  });
});
