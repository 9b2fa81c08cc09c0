import { type DatasetDeclaration, type LoadedDataset, noAugmentation } from './dataset.js';
import { DatasetError } from './errors.js';
import { parseIdx } from './idx.js';
import { Split } from './split.js';

const side = 28;
const padding = 2;
const padded = side + 2 * padding;
const channels = 3;

/** The embedded sample of MNIST: digits padded to 32x32, grey copied to three channels. */
export const mnistDeclaration: DatasetDeclaration = {
  name: 'mnist-5k',
  description:
    'A stratified sample of MNIST: 4,000 training and 1,000 test digits, padded to 32x32, grey in three channels',
  classNames: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
  height: padded,
  width: padded,
  channels,
  norm: Number.POSITIVE_INFINITY,
  epsilon: 0.2,
  grid: Array.from({ length: 21 }, (_, i) => (2 * i) / 100),
  augmentation: noAugmentation,
  mean: [0.1006, 0.1006, 0.1006],
  std: [0.2757, 0.2757, 0.2757],
};

/** The IDX files of a MNIST folder. */
export interface MnistFiles {
  readonly trainImages: Uint8Array;
  readonly trainLabels: Uint8Array;
  readonly testImages: Uint8Array;
  readonly testLabels: Uint8Array;
}

/** Reads MNIST's files. Throws DatasetError naming the file. */
export function parseMnist(files: MnistFiles): LoadedDataset {
  return {
    declaration: mnistDeclaration,
    splits: [
      parseSplit('train', files.trainImages, 'train-images-idx3-ubyte', files.trainLabels, 'train-labels-idx1-ubyte'),
      parseSplit('test', files.testImages, 't10k-images-idx3-ubyte', files.testLabels, 't10k-labels-idx1-ubyte'),
    ],
  };
}

function parseSplit(
  name: string,
  imageBytes: Uint8Array,
  imageFile: string,
  labelBytes: Uint8Array,
  labelFile: string,
): Split {
  const images = parseIdx(imageBytes, imageFile);
  const labels = parseIdx(labelBytes, labelFile);
  const [count = 0, height, width] = images.shape;
  if (images.shape.length !== 3 || height !== side || width !== side) {
    throw new DatasetError(imageFile, `needs images of ${side}x${side}, has shape [${images.shape.join(', ')}]`);
  }
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new DatasetError(labelFile, `needs ${count} labels, has shape [${labels.shape.join(', ')}]`);
  }
  const wrong = labels.data.findIndex((label) => label > 9);
  if (wrong >= 0) throw new DatasetError(labelFile, `label ${labels.data[wrong]} of record ${wrong} is no digit`);
  const pixels = new Uint8Array(count * padded * padded * channels);
  for (let i = 0; i < count; i++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const value = images.data[(i * side + y) * side + x] as number;
        const at = ((i * padded + y + padding) * padded + x + padding) * channels;
        pixels.fill(value, at, at + channels);
      }
    }
  }
  return new Split(name, [padded, padded, channels], pixels, Uint16Array.from(labels.data));
}
