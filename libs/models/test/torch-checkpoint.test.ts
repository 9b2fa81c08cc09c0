import { readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readTorchCheckpoint } from '../src/torch-checkpoint/read-torch-checkpoint.js';
import { TorchCheckpointError } from '../src/torch-checkpoint/torch-checkpoint-error.js';

const strided = new Uint8Array(readFileSync(new URL('fixtures/strided.pt', import.meta.url)));

/** A zip archive of stored entries. */
function zip(entries: Readonly<Record<string, Uint8Array | string>>): Uint8Array {
  const files: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(entries)) {
    const bytes = Buffer.from(content);
    const named = Buffer.from(name);
    const common = Buffer.alloc(26);
    common.writeUInt32LE(crc32(bytes), 10);
    common.writeUInt32LE(bytes.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(named.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, named, bytes]);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02\x00\x00'), common, place, named]));
    files.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06');
  end.writeUInt16LE(directory.length, 8);
  end.writeUInt16LE(directory.length, 10);
  end.writeUInt32LE(central.length, 12);
  end.writeUInt32LE(offset, 16);
  return new Uint8Array(Buffer.concat([...files, central, end]));
}

const pickled = (pickle: string): Uint8Array => zip({ 'm/data.pkl': Buffer.from(pickle, 'latin1') });

/** A pickle of one float tensor `w` with the given description. */
const tensorPickle = (offset: string, shape: string, strides: string, length = 'K\x02'): string =>
  `\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu${length}tQ${offset}(${shape}t(${strides}t\x89ccollections\nOrderedDict\n)RtRs.`;

describe('readTorchCheckpoint', () => {
  it('reads what PyTorch wrote: element types, strides, offsets and shared storages', () => {
    const tensors = readTorchCheckpoint(strided);
    const shapes = Object.fromEntries(
      Object.entries(tensors).map(([name, { dtype, shape }]) => [name, [dtype, ...shape]]),
    );
    expect(shapes).toEqual({
      plain: ['F32', 3, 4],
      transposed: ['F32', 4, 3],
      slice: ['F32', 2, 2],
      half: ['F32', 4],
      bfloat16: ['F32', 3],
      long: ['I32'],
      empty: ['F32', 0, 5],
    });
    const base = Array.from({ length: 12 }, (_, i) => i / 4);
    expect([...(tensors['plain']?.data ?? [])]).toEqual(base);
    expect([...(tensors['transposed']?.data ?? [])]).toEqual([0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11].map((i) => i / 4));
    expect([...(tensors['slice']?.data ?? [])]).toEqual([5, 6, 9, 10].map((i) => i / 4));
    expect([...(tensors['half']?.data ?? [])]).toEqual([1, -2.5, 65504, 2 ** -24]);
    expect([...(tensors['bfloat16']?.data ?? [])].slice(0, 2)).toEqual([1, -3.140625]);
    expect(tensors['bfloat16']?.data[2]).toBeCloseTo(1e38, -36);
    expect([...(tensors['long']?.data ?? [])]).toEqual([7]);
  });

  it('reads a tensor of a hand-made pickle', () => {
    const data = new Uint8Array(Float32Array.of(3, 5).buffer);
    const bytes = zip({
      'm/data.pkl': Buffer.from(tensorPickle('K\x00', 'K\x02', 'K\x01'), 'latin1'),
      'm/data/0': data,
    });
    expect(readTorchCheckpoint(bytes)['w']).toEqual({ dtype: 'F32', shape: [2], data: Float32Array.of(3, 5) });
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'a pickle that would run a command',
      () => pickled('\x80\x02cos\nsystem\nX\x02\x00\x00\x00ls\x85R.'),
      /refers to os\.system/,
    ],
    [
      'one that hides it behind STACK_GLOBAL',
      () => pickled('\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02ls\x85R.'),
      /refers to os\.system/,
    ],
    ['builtins', () => pickled('\x80\x02c__builtin__\neval\n.'), /refers to __builtin__\.eval/],
    ['an INST instruction', () => pickled('\x80\x02(ios\nsystem\n.'), /instruction 0x69 at byte 3/],
    ['a call of a storage', () => pickled('\x80\x02ctorch\nFloatStorage\n)R.'), /calls FloatStorage/],
    ['a dictionary without tensors', () => pickled('\x80\x02}.'), /no state dict/],
    ['a tensor instead of a dictionary', () => pickled('\x80\x02K\x01.'), /no dictionary/],
    [
      'a storage that is missing',
      () => pickled(tensorPickle('K\x00', 'K\x02', 'K\x01')),
      /storage 0 of tensor w is missing/,
    ],
    [
      'a tensor that reaches beyond its storage',
      () =>
        zip({
          'm/data.pkl': Buffer.from(tensorPickle('K\x01', 'K\x02', 'K\x01'), 'latin1'),
          'm/data/0': new Uint8Array(8),
        }),
      /reaches to element 2 of a storage of 2/,
    ],
    [
      'a tensor of a thousand billion values',
      () => pickled(tensorPickle('K\x00', 'J\x00\x00\x00\x7fJ\x00\x00\x00\x7f', 'K\x00K\x00')),
      /more than \d+ values/,
    ],
    ['no zip', () => new Uint8Array(100), /zip directory is missing/],
    ['an archive without data.pkl', () => zip({ 'm/other': 'x' }), /holds no data\.pkl/],
    [
      'big-endian numbers',
      () => zip({ 'm/data.pkl': Buffer.from('\x80\x02}.', 'latin1'), 'm/byteorder': 'big' }),
      /big-endian/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => readTorchCheckpoint(bytes())).toThrow(message);
    expect(() => readTorchCheckpoint(bytes())).toThrow(TorchCheckpointError);
  });

  it('refuses every truncation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: strided.length - 1 }), (length) => {
        expect(() => readTorchCheckpoint(strided.subarray(0, length))).toThrow(TorchCheckpointError);
      }),
    );
  });

  it('either refuses a file with a changed byte or reads the same tensors, and never fails otherwise', () => {
    const whole = readTorchCheckpoint(strided);
    fc.assert(
      fc.property(fc.nat(strided.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const changed = strided.slice();
        changed[at] = (changed[at] as number) ^ change;
        try {
          expect(Object.keys(readTorchCheckpoint(changed))).toEqual(Object.keys(whole));
        } catch (error) {
          expect(error).toBeInstanceOf(TorchCheckpointError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
