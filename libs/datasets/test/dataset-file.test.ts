import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError, mnistDeclaration, readDatasetFile, Split, writeDatasetFile } from '../src/index.js';

const split = (name: string, count: number): Split =>
  new Split(
    name,
    [2, 3, 1],
    Uint8Array.from({ length: count * 6 }, (_, i) => i),
    Uint16Array.from({ length: count }, (_, i) => i % 10),
  );
const dataset = { declaration: { ...mnistDeclaration, name: 'mine' }, splits: [split('train', 5), split('test', 2)] };

describe('a data set as a file', () => {
  it('comes back as it was written, infinite norm and notes included', () => {
    const read = readDatasetFile(writeDatasetFile(dataset, { origin: 'a folder' }), 'file');
    expect(read.declaration).toEqual(dataset.declaration);
    expect(read.declaration.norm).toBe(Number.POSITIVE_INFINITY);
    expect(read.splits.map(({ name, digest }) => [name, digest])).toEqual(
      dataset.splits.map(({ name, digest }) => [name, digest]),
    );
    expect(read.notes).toEqual({ origin: 'a folder' });
  });

  it('is refused by name when it is truncated anywhere', () => {
    const bytes = writeDatasetFile(dataset);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), (length) => {
        expect(() => readDatasetFile(bytes.subarray(0, length), 'the-file')).toThrow(DatasetError);
        expect(() => readDatasetFile(bytes.subarray(0, length), 'the-file')).toThrow(/^the-file: /);
      }),
    );
  });
});
