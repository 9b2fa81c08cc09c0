import { sha256Hex } from './digest.js';
import type { FieldViolation } from './error-details.js';
import type { FileChunk } from './gen/percept/v1/artifact.js';

const chunkBytes = 1024 * 1024;

/** A whole file of a stream of pieces. */
export interface ReceivedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** What a stream of pieces may hold. */
export interface FileLimits {
  /** Over all files. */
  readonly maxBytes: number;
  readonly maxFiles: number;
}

/** A stream of pieces that breaks its rules. */
export class InvalidFileChunkError extends Error {
  override readonly name = 'InvalidFileChunkError';
  readonly violations: readonly FieldViolation[];

  constructor(field: string, description: string) {
    super(`${field}: ${description}`);
    this.violations = [{ field, description }];
  }
}

/** Cuts a file into pieces of at most 1 MiB; an empty file is one empty piece. */
export function* fileChunks(name: string, bytes: Uint8Array): Generator<FileChunk> {
  const sha256 = sha256Hex(bytes);
  let offset = 0;
  do {
    const data = bytes.subarray(offset, offset + chunkBytes);
    yield { name, offset, data, totalBytes: bytes.byteLength, sha256: offset === 0 ? sha256 : '' };
    offset += data.byteLength;
  } while (offset < bytes.byteLength);
}

/**
 * Joins pieces into files, one file at a time.
 *
 * @throws InvalidFileChunkError when pieces are missing, out of order, too many, or do not match their digest.
 */
export async function* joinFileChunks(
  chunks: AsyncIterable<FileChunk>,
  limits: FileLimits,
): AsyncGenerator<ReceivedFile> {
  let open: { name: string; sha256: string; bytes: Uint8Array; filled: number } | undefined;
  let files = 0;
  let total = 0;
  for await (const chunk of chunks) {
    if (open === undefined) {
      files += 1;
      total += chunk.totalBytes;
      if (files > limits.maxFiles) throw new InvalidFileChunkError('chunk.name', `more than ${limits.maxFiles} files`);
      if (total > limits.maxBytes) {
        throw new InvalidFileChunkError('chunk.total_bytes', `files may hold at most ${limits.maxBytes} bytes in all`);
      }
      open = { name: chunk.name, sha256: chunk.sha256, bytes: new Uint8Array(chunk.totalBytes), filled: 0 };
    }
    if (chunk.name !== open.name) {
      throw new InvalidFileChunkError('chunk.name', `${chunk.name} begins before ${open.name} is complete`);
    }
    if (chunk.offset !== open.filled) {
      throw new InvalidFileChunkError('chunk.offset', `must be ${open.filled}, got ${chunk.offset}`);
    }
    if (open.filled + chunk.data.byteLength > open.bytes.byteLength) {
      throw new InvalidFileChunkError('chunk.data', `${open.name} is longer than its ${open.bytes.byteLength} bytes`);
    }
    if (chunk.data.byteLength === 0 && open.bytes.byteLength > 0) {
      throw new InvalidFileChunkError('chunk.data', 'must not be empty');
    }
    open.bytes.set(chunk.data, open.filled);
    open.filled += chunk.data.byteLength;
    if (open.filled === open.bytes.byteLength) {
      if (open.sha256 !== '' && sha256Hex(open.bytes) !== open.sha256) {
        throw new InvalidFileChunkError('chunk.sha256', `${open.name} does not match its digest`);
      }
      yield { name: open.name, bytes: open.bytes };
      open = undefined;
    }
  }
  if (open !== undefined) {
    throw new InvalidFileChunkError(
      'chunk',
      `${open.name} ends after ${open.filled} of ${open.bytes.byteLength} bytes`,
    );
  }
}
