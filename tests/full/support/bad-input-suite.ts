import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import * as contracts from '@percept/contracts';
import { decodeImages, InvalidTensorError, type ServiceShape } from '@percept/contracts';
import {
  cifar10Files,
  DatasetError,
  parseCifar10,
  parseIdx,
  parseImageTree,
  readDatasetFile,
  readTarGz,
  writeDatasetFile,
} from '@percept/datasets';
import { readTorchCheckpoint, TorchCheckpointError } from '@percept/models';
import { TokensFileError, TokenTable } from '@percept/platform';
import { readSafetensors, SafetensorsError, writeSafetensors } from '@percept/tensor';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { mutations } from './mutations.js';

/** No input may take longer; wide of what any takes, and narrow of a hang. */
const longestMs = 1_000;

/** Growth of memory, over all inputs of one decoder, that is no leak and no bomb. */
const largestGrowthBytes = 1.5 * 1024 ** 3;

interface Decoder {
  readonly name: string;
  /** Sound inputs, which the wrong ones are made from. */
  readonly sound: readonly Uint8Array[];
  decode(bytes: Uint8Array): unknown;
  /** Whether this is how it refuses an input. */
  refuses(error: unknown): boolean;
}

const tensors = writeSafetensors(
  {
    weight: { dtype: 'F32', shape: [2, 3], data: Float32Array.from([1, 2, 3, 4, 5, 6]) },
    labels: { dtype: 'I32', shape: [2], data: Int32Array.from([7, 8]) },
  },
  { note: 'x' },
);
const idx = Uint8Array.from([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6]);
const png = encode({ width: 4, height: 4, channels: 3, depth: 8, data: new Uint8Array(48).fill(77) });
const isDatasetError = (error: unknown): boolean => error instanceof DatasetError;
const cifarRecord = new Uint8Array(3_073).fill(5);

const decoders: readonly Decoder[] = [
  {
    name: 'safetensors',
    sound: [tensors, writeSafetensors({})],
    decode: readSafetensors,
    refuses: (error) => error instanceof SafetensorsError,
  },
  {
    name: 'IDX, plain and compressed',
    sound: [idx, new Uint8Array(gzipSync(idx))],
    decode: (bytes) => parseIdx(bytes, 'file'),
    refuses: isDatasetError,
  },
  {
    name: 'CIFAR-10',
    sound: [cifarRecord],
    decode: (bytes) =>
      parseCifar10(new Map([...cifar10Files.train, ...cifar10Files.test].map((name) => [name, bytes] as const))),
    refuses: isDatasetError,
  },
  {
    name: 'PNG',
    sound: [png],
    decode: (bytes) =>
      parseImageTree(
        new Map([
          ['a/1.png', bytes],
          ['b/1.png', png],
        ]),
        { name: 'fuzz', testFraction: 0.5, seed: 0, size: 4 },
      ),
    refuses: isDatasetError,
  },
  {
    name: 'tar.gz',
    sound: [new Uint8Array(gzipSync(tarOf('a.bin', idx))), tarOf('a.bin', idx)],
    decode: (bytes) => readTarGz(bytes, 'archive'),
    refuses: isDatasetError,
  },
  {
    name: 'an unpacked tar',
    sound: [tarOf('a.bin', idx)],
    decode: (bytes) => readTarGz(new Uint8Array(gzipSync(bytes)), 'archive'),
    refuses: isDatasetError,
  },
  {
    name: 'stored data sets',
    sound: [
      writeDatasetFile(
        parseImageTree(
          new Map([
            ['a/1.png', png],
            ['b/1.png', png],
          ]),
          { name: 'fuzz', testFraction: 0.5, seed: 0, size: 4 },
        ),
      ),
    ],
    decode: (bytes) => readDatasetFile(bytes, 'file'),
    refuses: isDatasetError,
  },
  {
    name: 'PyTorch checkpoints',
    sound: [new Uint8Array(readFileSync(new URL('../../../libs/models/test/fixtures/strided.pt', import.meta.url)))],
    decode: readTorchCheckpoint,
    refuses: (error) => error instanceof TorchCheckpointError,
  },
  {
    name: 'image tensors',
    sound: [
      contracts.Tensor.encode({
        dtype: contracts.DataType.UINT8,
        shape: [1, 2, 2, 3],
        data: new Uint8Array(12),
      }).finish(),
      contracts.Tensor.encode({
        dtype: contracts.DataType.FLOAT32,
        shape: [1, 1, 1, 1],
        data: new Uint8Array(4),
      }).finish(),
    ],
    decode: (bytes) => {
      let message: contracts.Tensor;
      try {
        message = contracts.Tensor.decode(bytes);
      } catch {
        throw new InvalidTensorError([]);
      }
      return decodeImages(message, 'images');
    },
    refuses: (error) => error instanceof InvalidTensorError,
  },
  {
    name: 'tokens files',
    sound: [
      Buffer.from(
        JSON.stringify({
          tokens: [{ name: 'a', sha256: 'a'.repeat(64), expires: '2100-01-01T00:00:00Z', scopes: ['*'] }],
        }),
      ),
    ],
    decode: (bytes) => TokenTable.parse(Buffer.from(bytes).toString('utf8')),
    refuses: (error) => error instanceof TokensFileError,
  },
];

const requests = Object.entries(contracts)
  .filter(([name, value]) => /^[A-Z].*Service$/.test(name) && typeof value === 'object')
  .flatMap(([, service]) => Object.values(service as ServiceShape));

/** A tar archive (ustar) of one file. */
function tarOf(name: string, content: Uint8Array): Uint8Array {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(content.byteLength.toString(8).padStart(11, '0'), 124);
  header.write('        ', 148);
  header.write('0', 156);
  header.write(
    `${header
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, '0')}\0 `,
    148,
  );
  return new Uint8Array(
    Buffer.concat([header, content, Buffer.alloc(((512 - (content.byteLength % 512)) % 512) + 1_024)]),
  );
}

/** Gives a decoder `count` wrong inputs: each is decoded or refused, in time, and memory stays bounded. */
function attack({ sound, decode, refuses }: Omit<Decoder, 'name'>, count: number, seed: number): { refused: number } {
  let refused = 0;
  const before = process.memoryUsage().rss;
  for (const bytes of mutations(sound, count, seed)) {
    const begun = performance.now();
    try {
      decode(bytes);
    } catch (error) {
      if (!refuses(error)) {
        const shown = Buffer.from(bytes.subarray(0, 4_096)).toString('base64');
        throw new Error(`an unforeseen error for the input ${shown}`, { cause: error });
      }
      refused++;
    }
    expect(performance.now() - begun).toBeLessThan(longestMs);
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(largestGrowthBytes);
  return { refused };
}

/** Sound files of every format that a decoder reads, for whoever sends wrong ones. */
export const soundFiles: readonly Uint8Array[] = decoders.flatMap(({ sound }) => [...sound]);

/** Gives every decoder its share of so many wrong inputs, the same for the same seed. */
export function badInputSuite(inputs: number, seed: number): void {
  const share = Math.ceil(inputs / (decoders.length + 1));

  describe(`${inputs} wrong inputs of seed ${seed}`, () => {
    it.each(decoders)('$name: decoded or refused by name, never worse', (decoder) => {
      for (const bytes of decoder.sound.slice(0, 1)) decoder.decode(bytes);
      expect(attack(decoder, share, seed).refused).toBeGreaterThan(share / 20);
    });

    it('requests of every call: decoded or refused, never worse', () => {
      const each = Math.ceil(share / requests.length);
      for (const method of requests) {
        const empty = method.requestSerialize(method.requestDeserialize(Buffer.alloc(0)) as never);
        const sound = [
          empty,
          Buffer.from([0x0a, 0x03, 0x61, 0x62, 0x63, 0x10, 0x01]),
          Buffer.from([0x0a, 0x02, 0x08, 0x01]),
        ];
        // The chassis answers whatever a decoder throws by INVALID_ARGUMENT, which its own test shows.
        attack(
          {
            sound,
            decode: (bytes) => method.requestDeserialize(Buffer.from(bytes)),
            refuses: (e) => e instanceof Error,
          },
          each,
          seed,
        );
      }
      expect(requests.length).toBeGreaterThan(30);
    });
  });
}
