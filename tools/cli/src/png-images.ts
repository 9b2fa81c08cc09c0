import { readFile, writeFile } from 'node:fs/promises';
import { decode, encode } from 'fast-png';
import { UsageError } from './exit-code.js';

/** An image of the file system as a model takes it. */
export interface LoadedImage {
  /** Height, width, channels. */
  readonly shape: readonly [number, number, number];
  /** Values in [0, 1]. */
  readonly pixels: Float32Array;
}

/** Reads a PNG file of 1, 3 or 4 channels; transparency is dropped. @throws UsageError. */
export async function readPng(file: string): Promise<LoadedImage> {
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${error.message}`,
    );
  });
  let image: ReturnType<typeof decode>;
  try {
    image = decode(bytes);
  } catch (error) {
    throw new UsageError(`${file} is no sound PNG: ${error instanceof Error ? error.message : String(error)}`);
  }
  const { width, height, channels, depth, data } = image;
  if (image.palette || ![1, 3, 4].includes(channels))
    throw new UsageError(`${file}: only grey and RGB PNGs are supported`);
  const kept = channels === 4 ? 3 : channels;
  const largest = 2 ** depth - 1;
  const pixels = new Float32Array(height * width * kept);
  for (let i = 0; i < height * width; i++) {
    for (let c = 0; c < kept; c++) pixels[i * kept + c] = (data[i * channels + c] as number) / largest;
  }
  return { shape: [height, width, kept], pixels };
}

/** Writes one image of values in [0, 1] as an 8-bit PNG, rounding to the nearest level. */
export async function writePng(
  file: string,
  pixels: Float32Array,
  [height, width, channels]: readonly [number, number, number],
): Promise<void> {
  const data = Uint8Array.from(pixels, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
  await writeFile(file, encode({ width, height, channels: channels as 1 | 3, depth: 8, data }));
}
