import { permutation } from '@percept/tensor';
import { decode } from 'fast-png';
import { boundedPng } from './bounded-png.js';
import { type LoadedDataset, noAugmentation } from './dataset.js';
import { DatasetError } from './errors.js';
import { resizeImage } from './resize-image.js';
import { Split } from './split.js';

/** How a tree of images becomes a data set. */
export interface ImageTreeOptions {
  readonly name: string;
  /** Share of the samples that the test split takes where the tree has no splits, in (0, 1). */
  readonly testFraction: number;
  readonly seed: number;
  /** Height and width that images are scaled to. */
  readonly size: number;
}

const channels = 3;
const splitNames = ['train', 'test'] as const;

interface LabelledFile {
  readonly path: string;
  readonly className: string;
  readonly split: string | undefined;
}

/**
 * Reads PNG files named CLASS/FILE, of which a seeded part becomes the test split, or SPLIT/CLASS/FILE with the splits `train` and `test`.
 * Grey becomes three equal channels, transparency is dropped. Throws DatasetError naming the file.
 */
export function parseImageTree(files: ReadonlyMap<string, Uint8Array>, options: ImageTreeOptions): LoadedDataset {
  const labelled = [...files.keys()].sort().map(labelledFile);
  const classNames = [...new Set(labelled.map(({ className }) => className))].sort();
  if (classNames.length < 2) {
    throw new DatasetError('the images', `need at least two classes, one folder each, got ${classNames.length}`);
  }
  const splits = labelled.some(({ split }) => split !== undefined)
    ? givenSplits(labelled)
    : drawnSplits(labelled, options);
  const { name, size } = options;
  const read = (splitName: string, members: readonly LabelledFile[]): Split => {
    const pixels = new Uint8Array(members.length * size * size * channels);
    for (const [i, { path }] of members.entries()) {
      pixels.set(readPng(files.get(path) as Uint8Array, path, size), i * size * size * channels);
    }
    const labels = Uint16Array.from(members, ({ className }) => classNames.indexOf(className));
    return new Split(splitName, [size, size, channels], pixels, labels);
  };
  return {
    declaration: {
      name,
      description: `Images of ${classNames.length} classes`,
      classNames,
      height: size,
      width: size,
      channels,
      norm: Number.POSITIVE_INFINITY,
      epsilon: 8 / 255,
      grid: Array.from({ length: 51 }, (_, i) => i / 255),
      augmentation: noAugmentation,
      mean: new Array<number>(channels).fill(0.5),
      std: new Array<number>(channels).fill(0.25),
    },
    splits: splitNames.map((split) => read(split, splits[split])),
  };
}

function labelledFile(path: string): LabelledFile {
  const parts = path.split('/');
  if (parts.length === 2) return { path, className: parts[0] as string, split: undefined };
  if (parts.length === 3) return { path, className: parts[1] as string, split: parts[0] as string };
  throw new DatasetError(path, 'must be called CLASS/FILE or SPLIT/CLASS/FILE');
}

type SplitMembers = Readonly<Record<(typeof splitNames)[number], readonly LabelledFile[]>>;

function givenSplits(labelled: readonly LabelledFile[]): SplitMembers {
  const stray = labelled.find(({ split }) => !splitNames.some((known) => known === split));
  if (stray !== undefined) throw new DatasetError(stray.path, 'lies in neither of the splits train and test');
  const of = (name: string): LabelledFile[] => labelled.filter(({ split }) => split === name);
  const members = { train: of('train'), test: of('test') };
  for (const name of splitNames) {
    if (members[name].length === 0) throw new DatasetError(name, 'holds no images');
  }
  return members;
}

function drawnSplits(labelled: readonly LabelledFile[], { seed, testFraction }: ImageTreeOptions): SplitMembers {
  const order = permutation({ seed, purpose: 'test split' }, labelled.length);
  const count = Math.min(labelled.length - 1, Math.max(1, Math.round(labelled.length * testFraction)));
  const at = (indices: Uint32Array): LabelledFile[] => Array.from(indices.sort(), (i) => labelled[i] as LabelledFile);
  return { train: at(order.slice(count)), test: at(order.slice(0, count)) };
}

function readPng(bytes: Uint8Array, file: string, size: number): Uint8Array {
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    throw new DatasetError(
      file,
      'is a JPEG; only PNG images are supported, since JPEG decoders differ in the last bit',
    );
  }
  let image: ReturnType<typeof decode>;
  try {
    image = decode(boundedPng(bytes, file));
  } catch (error) {
    if (error instanceof DatasetError) throw error;
    throw new DatasetError(file, `is no sound PNG (${error instanceof Error ? error.message : String(error)})`);
  }
  const { width, height, channels: found, depth, data, palette } = image;
  if (palette || depth !== 8 || ![1, 3, 4].includes(found)) {
    throw new DatasetError(file, 'must be grey or RGB of 8 bits per channel');
  }
  const pixels = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    for (let c = 0; c < channels; c++) pixels[i * channels + c] = data[i * found + (found === 1 ? 0 : c)] as number;
  }
  return resizeImage(pixels, [height, width, channels], size);
}
