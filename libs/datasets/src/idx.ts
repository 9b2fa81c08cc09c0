import { gunzipSync } from 'node:zlib';
import { DatasetError } from './errors.js';

/** An array of unsigned bytes as IDX files hold them. */
export interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** The most bytes that a compressed file may unpack to. */
const largestUnpacked = 1024 ** 3;

/** Reads an IDX file of unsigned bytes, plain or gzip; `file` names it in errors. Throws DatasetError. */
export function parseIdx(bytes: Uint8Array, file: string): IdxArray {
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? unpack(bytes, file) : bytes;
  if (plain.byteLength < 4) throw new DatasetError(file, `${plain.byteLength} bytes are too few for an IDX header`);
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength);
  if (view.getUint16(0) !== 0) throw new DatasetError(file, 'not an IDX file: its first two bytes are not 0');
  if (plain[2] !== 0x08)
    throw new DatasetError(
      file,
      `its element type is 0x${(plain[2] as number).toString(16)}; only unsigned bytes (0x8) are supported`,
    );
  const rank = plain[3] as number;
  const header = 4 + 4 * rank;
  if (plain.byteLength < header) throw new DatasetError(file, `truncated within its header of ${header} bytes`);
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(4 + 4 * axis));
  const size = shape.reduce((product, side) => product * side, 1);
  if (plain.byteLength !== header + size) {
    throw new DatasetError(
      file,
      `[${shape.join(', ')}] needs ${header + size} bytes, the file has ${plain.byteLength}`,
    );
  }
  return { shape, data: plain.subarray(header) };
}

function unpack(bytes: Uint8Array, file: string): Uint8Array {
  try {
    return gunzipSync(bytes, { maxOutputLength: largestUnpacked });
  } catch (error) {
    throw new DatasetError(
      file,
      `its compression is corrupt (${error instanceof Error ? error.message : String(error)})`,
    );
  }
}
