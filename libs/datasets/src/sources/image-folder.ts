import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { permutation } from '@percept/tensor';
import { decode } from 'fast-png';
import { type LoadedDataset, noAugmentation } from '../dataset.js';
import { DatasetError } from '../errors.js';
import { Split } from '../split.js';

/** How a folder of images is read. */
export interface ImageFolderOptions {
  readonly name: string;
  /** Share of the samples that the test split takes, in (0, 1). */
  readonly testFraction: number;
  readonly seed: number;
}

/**
 * Reads a folder with one folder of PNG files per class, all of one size; a seeded part becomes the test split.
 * Throws DatasetError naming the file.
 */
export async function loadImageFolder(
  folder: string,
  { name, testFraction, seed }: ImageFolderOptions,
): Promise<LoadedDataset> {
  const classNames = (await readdir(folder, { withFileTypes: true }))
    .flatMap((entry) => (entry.isDirectory() ? [entry.name] : []))
    .sort();
  if (classNames.length < 2)
    throw new DatasetError(folder, `needs at least two folders, one per class, has ${classNames.length}`);
  const images: Uint8Array[] = [];
  const labels: number[] = [];
  let shape: readonly [number, number, number] | undefined;
  for (const [label, className] of classNames.entries()) {
    for (const file of (await readdir(path.join(folder, className))).sort()) {
      const image = decodePng(await readFile(path.join(folder, className, file)), `${className}/${file}`);
      shape ??= image.shape;
      if (image.shape.join() !== shape.join()) {
        throw new DatasetError(
          `${className}/${file}`,
          `is [${image.shape.join(', ')}], the images before it are [${shape.join(', ')}]`,
        );
      }
      images.push(image.pixels);
      labels.push(label);
    }
  }
  if (shape === undefined) throw new DatasetError(folder, 'holds no images');
  const order = permutation({ seed, purpose: 'test split' }, images.length);
  const testCount = Math.max(1, Math.round(images.length * testFraction));
  const cut = (splitName: string, indices: ArrayLike<number>): Split => {
    const pixels = new Uint8Array(Buffer.concat(Array.from(indices, (i) => images[i] as Uint8Array)));
    return new Split(
      splitName,
      shape as readonly [number, number, number],
      pixels,
      Uint16Array.from(indices, (i) => labels[i] as number),
    );
  };
  const channels = shape[2];
  return {
    declaration: {
      name,
      description: `Images of ${classNames.length} classes`,
      classNames,
      height: shape[0],
      width: shape[1],
      channels,
      norm: Number.POSITIVE_INFINITY,
      epsilon: 8 / 255,
      grid: Array.from({ length: 51 }, (_, i) => i / 255),
      augmentation: noAugmentation,
      mean: new Array<number>(channels).fill(0.5),
      std: new Array<number>(channels).fill(0.25),
    },
    splits: [cut('train', order.slice(testCount).sort()), cut('test', order.slice(0, testCount).sort())],
  };
}

function decodePng(bytes: Uint8Array, file: string): { shape: [number, number, number]; pixels: Uint8Array } {
  if (bytes[0] === 0xff && bytes[1] === 0xd8)
    throw new DatasetError(
      file,
      'is a JPEG; only PNG images are supported, since JPEG decoders differ in the last bit',
    );
  let image: ReturnType<typeof decode>;
  try {
    image = decode(bytes);
  } catch (error) {
    throw new DatasetError(file, `is no sound PNG (${error instanceof Error ? error.message : String(error)})`);
  }
  const { width, height, channels, depth, data, palette } = image;
  if (palette || depth !== 8 || ![1, 3, 4].includes(channels))
    throw new DatasetError(file, 'must be grey or RGB of 8 bits per channel');
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < 3; c++) pixels[i * 3 + c] = data[i * channels + (channels === 1 ? 0 : c)] as number;
  }
  return { shape: [height, width, 3], pixels };
}
