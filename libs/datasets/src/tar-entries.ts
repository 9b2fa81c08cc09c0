import { gunzipSync } from 'node:zlib';
import { DatasetError } from './errors.js';

const blockBytes = 512;

/** The most bytes that an archive may unpack to. */
const largestUnpacked = 1024 ** 3;

/** Reads the plain files of a tar archive (ustar) compressed with gzip, by name. `file` names it in errors. Throws DatasetError. */
export function readTarGz(bytes: Uint8Array, file: string): ReadonlyMap<string, Uint8Array> {
  let tar: Uint8Array;
  try {
    tar = gunzipSync(bytes, { maxOutputLength: largestUnpacked });
  } catch (error) {
    throw new DatasetError(
      file,
      `its compression is corrupt (${error instanceof Error ? error.message : String(error)})`,
    );
  }
  const files = new Map<string, Uint8Array>();
  let at = 0;
  while (at + blockBytes <= tar.byteLength && tar[at] !== 0) {
    const header = tar.subarray(at, at + blockBytes);
    const name = textOf(header, 0, 100);
    const size = Number.parseInt(textOf(header, 124, 12), 8);
    if (checksumOf(header) !== Number.parseInt(textOf(header, 148, 8), 8)) {
      throw new DatasetError(file, `the header at byte ${at} is corrupt`);
    }
    const start = at + blockBytes;
    if (!(size >= 0) || start + size > tar.byteLength) throw new DatasetError(file, `${name} ends beyond the archive`);
    const type = header[156];
    if (type === 0x30 || type === 0) files.set(name, tar.subarray(start, start + size));
    at = start + Math.ceil(size / blockBytes) * blockBytes;
  }
  if (files.size === 0) throw new DatasetError(file, 'holds no files');
  return files;
}

function textOf(header: Uint8Array, start: number, length: number): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return new TextDecoder().decode(end < 0 ? field : field.subarray(0, end)).trim();
}

/** The sum of a header's bytes, its own checksum counted as spaces. */
function checksumOf(header: Uint8Array): number {
  return header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 0x20 : byte), 0);
}
