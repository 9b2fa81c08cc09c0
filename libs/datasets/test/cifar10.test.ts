import { describe, expect, it } from 'vitest';
import { cifar10Files, parseCifar10 } from '../src/index.js';

const recordBytes = 3073;

function record(label: number, fill: (channel: number, pixel: number) => number): Uint8Array {
  const bytes = new Uint8Array(recordBytes);
  bytes[0] = label;
  for (let c = 0; c < 3; c++) for (let p = 0; p < 1024; p++) bytes[1 + c * 1024 + p] = fill(c, p);
  return bytes;
}

function archive(test: Uint8Array): Map<string, Uint8Array> {
  return new Map([
    ...cifar10Files.train.map((file): [string, Uint8Array] => [file, record(1, () => 0)]),
    ['test_batch.bin', test],
  ]);
}

describe('parseCifar10', () => {
  it('turns channel planes into interleaved pixels', () => {
    const { splits } = parseCifar10(archive(record(7, (c, p) => (c === 2 && p === 33 ? 200 : c))));
    const image = splits[1]?.bytes(0) ?? new Uint8Array(0);
    expect(splits[1]?.labels[0]).toBe(7);
    expect([...image.subarray(33 * 3, 33 * 3 + 3)]).toEqual([0, 1, 200]);
    expect([...image.subarray(0, 3)]).toEqual([0, 1, 2]);
  });

  it.each([
    ['a truncated file', record(1, () => 0).subarray(0, 3000), /test_batch\.bin: 3000 bytes/],
    ['an empty file', new Uint8Array(0), /test_batch\.bin/],
    ['a label that is no class', record(10, () => 0), /test_batch\.bin: record 0 at byte 0 has the label 10/],
  ])('refuses %s, saying where', (_, test, message) => {
    expect(() => parseCifar10(archive(test))).toThrow(message);
  });

  it('names a missing file', () => {
    const files = archive(record(1, () => 0));
    files.delete('data_batch_3.bin');
    expect(() => parseCifar10(files)).toThrow('data_batch_3.bin: is missing');
  });
});
