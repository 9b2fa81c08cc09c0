import {
  type FileChunk,
  fileChunks,
  InvalidFileChunkError,
  joinFileChunks,
  type ReceivedFile,
} from '@percept/contracts';
import { describe, expect, it } from 'vitest';

const limits = { maxBytes: 8 * 1024 * 1024, maxFiles: 3 };

async function* streamOf(chunks: Iterable<FileChunk>): AsyncGenerator<FileChunk> {
  yield* chunks;
}

async function join(chunks: Iterable<FileChunk>): Promise<ReceivedFile[]> {
  const files: ReceivedFile[] = [];
  for await (const file of joinFileChunks(streamOf(chunks), limits)) files.push(file);
  return files;
}

function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31) % 251);
}

describe('file chunks', () => {
  it('carry several files, an empty one and one of many pieces included', async () => {
    const files = [
      { name: 'empty', bytes: new Uint8Array() },
      { name: 'large', bytes: bytes(2_500_000) },
      { name: 'small', bytes: bytes(3) },
    ];
    const chunks = files.flatMap(({ name, bytes: content }) => [...fileChunks(name, content)]);
    expect(Math.max(...chunks.map(({ data }) => data.byteLength))).toBe(1024 * 1024);
    const joined = await join(chunks);
    expect(joined.map(({ name }) => name)).toEqual(files.map(({ name }) => name));
    for (const [index, file] of files.entries()) {
      expect(Buffer.compare(joined[index]?.bytes ?? new Uint8Array(), file.bytes)).toBe(0);
    }
  });

  const whole = [...fileChunks('f', bytes(2_000_000))] as [FileChunk, FileChunk];
  const flipped = { ...whole[1], data: Uint8Array.from(whole[1].data, (value) => value ^ 1) };
  it.each<[string, FileChunk[], string]>([
    ['a missing end', [whole[0]], 'chunk'],
    ['a missing beginning', [whole[1]], 'chunk.offset'],
    ['a repeated piece', [whole[0], whole[0]], 'chunk.offset'],
    ['a changed bit', [whole[0], flipped], 'chunk.sha256'],
    ['another file in between', [whole[0], ...fileChunks('g', bytes(1))], 'chunk.name'],
    ['more bytes than announced', [{ ...whole[0], totalBytes: 10 }], 'chunk.data'],
    ['more bytes than allowed', [{ ...whole[0], totalBytes: limits.maxBytes + 1 }], 'chunk.total_bytes'],
    ['too many files', 'abcd'.split('').flatMap((name) => [...fileChunks(name, bytes(1))]), 'chunk.name'],
  ])('refuse %s', async (_name, chunks, field) => {
    const failure = await join(chunks).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(InvalidFileChunkError);
    expect((failure as InvalidFileChunkError).violations[0]?.field).toBe(field);
  });
});
