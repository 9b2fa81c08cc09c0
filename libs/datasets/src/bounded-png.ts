import { inflateSync } from 'node:zlib';
import { DatasetError } from './errors.js';

const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const kept: readonly string[] = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'];
const samplesPerPixel: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** The most pixels that one image may have. */
const largestImage = 2 ** 24;

/**
 * The chunks of a PNG that its pixels need and no others, once it is certain that they unpack to no more than its header says; a decoder that unpacks
 * whatever it is given is safe with these bytes. `file` names it in errors. Throws DatasetError.
 */
export function boundedPng(bytes: Uint8Array, file: string): Uint8Array {
  const png = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!png.subarray(0, 8).equals(signature)) throw new DatasetError(file, 'is no PNG');
  const chunks: Buffer[] = [signature];
  const packed: Buffer[] = [];
  let bound = 0;
  for (let at = 8; at + 12 <= png.byteLength; ) {
    const end = at + 12 + png.readUInt32BE(at);
    const type = png.toString('latin1', at + 4, at + 8);
    if (end > png.byteLength) throw new DatasetError(file, `is truncated within its chunk at byte ${at}`);
    const data = png.subarray(at + 8, end - 4);
    if (at === 8) bound = unpackedBound(type, data, file);
    if (type === 'IDAT') packed.push(data);
    if (kept.includes(type)) chunks.push(png.subarray(at, end));
    if (type === 'IEND') break;
    at = end;
  }
  try {
    inflateSync(Buffer.concat(packed), { maxOutputLength: bound });
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw new DatasetError(file, tooLarge ? 'unpacks to more than its header says' : 'its compression is corrupt');
  }
  return new Uint8Array(Buffer.concat(chunks));
}

function unpackedBound(type: string, header: Buffer, file: string): number {
  const samples = header.byteLength === 13 ? samplesPerPixel[header[9] as number] : undefined;
  if (type !== 'IHDR' || samples === undefined) throw new DatasetError(file, 'does not begin with a sound header');
  const width = header.readUInt32BE(0);
  const height = header.readUInt32BE(4);
  if (width === 0 || height === 0 || width * height > largestImage) {
    throw new DatasetError(file, `is ${width}x${height}; images have 1 to ${largestImage} pixels`);
  }
  const row = 1 + Math.ceil((width * samples * (header[8] as number)) / 8);
  // Interlacing cuts the image into seven, each with rows of its own.
  return 2 * height * row + 64;
}
