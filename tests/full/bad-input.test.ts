import { gzipSync } from 'node:zlib';
import { DatasetError, parseIdx, parseImageTree } from '@percept/datasets';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { badInputSuite } from './support/bad-input-suite.js';

badInputSuite(10_000, 1);

const png = encode({ width: 4, height: 4, channels: 3, depth: 8, data: new Uint8Array(48).fill(77) });

describe('what unpacks without end', () => {
  const zeros = new Uint8Array(64 * 1024 ** 2);

  it('a PNG is refused once it unpacks to more than its header says', () => {
    const bomb = Buffer.from(
      encode({ width: 4096, height: 4096, channels: 3, depth: 8, data: new Uint8Array(3 * 2 ** 24) }),
    );
    bomb.writeUInt32BE(4, 16);
    bomb.writeUInt32BE(4, 20);
    const files = new Map([
      ['a/1.png', new Uint8Array(bomb)],
      ['b/1.png', png],
    ]);
    expect(() => parseImageTree(files, { name: 'x', testFraction: 0.5, seed: 0, size: 4 })).toThrow(
      /a\/1\.png.*unpacks to more than its header says/,
    );
  });

  it.each([
    ['no pixels', 0, 4],
    ['too many pixels', 65_536, 65_536],
  ])('a PNG of %s is refused by its header', (_, width, height) => {
    const wrong = Buffer.from(png);
    wrong.writeUInt32BE(width, 16);
    wrong.writeUInt32BE(height, 20);
    const files = new Map([
      ['a/1.png', new Uint8Array(wrong)],
      ['b/1.png', png],
    ]);
    expect(() => parseImageTree(files, { name: 'x', testFraction: 0.5, seed: 0, size: 4 })).toThrow(/images have 1 to/);
  });

  it('an IDX file is refused once it exceeds the limit of 1 GiB', () => {
    const member = gzipSync(zeros);
    const bomb = Buffer.concat(Array.from({ length: 17 }, () => member));
    expect(() => parseIdx(new Uint8Array(bomb), 'bomb')).toThrow(DatasetError);
  });
});
