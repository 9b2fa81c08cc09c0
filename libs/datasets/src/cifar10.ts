import type { DatasetDeclaration, LoadedDataset } from './dataset.js';
import { DatasetError } from './errors.js';
import { Split } from './split.js';

const side = 32;
const channels = 3;
const pixelsPerImage = side * side * channels;
const recordBytes = 1 + pixelsPerImage;

/** CIFAR-10 (Krizhevsky, 2009). */
export const cifar10Declaration: DatasetDeclaration = {
  name: 'cifar10',
  description: 'CIFAR-10: 50,000 training and 10,000 test photographs of ten classes, 32x32 in colour',
  classNames: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
  height: side,
  width: side,
  channels,
  norm: Number.POSITIVE_INFINITY,
  epsilon: 8 / 255,
  grid: Array.from({ length: 51 }, (_, i) => i / 255),
  augmentation: { cropPadding: 4, horizontalFlip: true },
  mean: [0.4914, 0.4822, 0.4465],
  std: [0.2471, 0.2435, 0.2616],
};

/** The files of the official binary archive. */
export const cifar10Files = {
  train: ['data_batch_1.bin', 'data_batch_2.bin', 'data_batch_3.bin', 'data_batch_4.bin', 'data_batch_5.bin'],
  test: ['test_batch.bin'],
} as const;

/** Reads the official binary files by name. Throws DatasetError naming file and record. */
export function parseCifar10(files: ReadonlyMap<string, Uint8Array>): LoadedDataset {
  return {
    declaration: cifar10Declaration,
    splits: [parseSplit('train', cifar10Files.train, files), parseSplit('test', cifar10Files.test, files)],
  };
}

function parseSplit(name: string, fileNames: readonly string[], files: ReadonlyMap<string, Uint8Array>): Split {
  const parts = fileNames.map((file) => {
    const bytes = files.get(file);
    if (bytes === undefined) throw new DatasetError(file, 'is missing');
    if (bytes.byteLength === 0 || bytes.byteLength % recordBytes !== 0) {
      throw new DatasetError(
        file,
        `${bytes.byteLength} bytes are no whole number of records of ${recordBytes} bytes; it is truncated or no CIFAR-10 file`,
      );
    }
    return { file, bytes };
  });
  const count = parts.reduce((sum, { bytes }) => sum + bytes.byteLength / recordBytes, 0);
  const pixels = new Uint8Array(count * pixelsPerImage);
  const labels = new Uint16Array(count);
  let row = 0;
  for (const { file, bytes } of parts) {
    for (let record = 0; record < bytes.byteLength / recordBytes; record++, row++) {
      const start = record * recordBytes;
      const label = bytes[start] as number;
      if (label > 9)
        throw new DatasetError(file, `record ${record} at byte ${start} has the label ${label}; labels are 0 to 9`);
      labels[row] = label;
      for (let c = 0; c < channels; c++) {
        for (let p = 0; p < side * side; p++) {
          pixels[row * pixelsPerImage + p * channels + c] = bytes[start + 1 + c * side * side + p] as number;
        }
      }
    }
  }
  return new Split(name, [side, side, channels], pixels, labels);
}
