import { DatasetFormat, type DatasetImportHeader } from '@percept/contracts';
import {
  DatasetError,
  type LoadedDataset,
  parseCifar10,
  parseImageTree,
  parseMnist,
  readTarGz,
} from '@percept/datasets';

/** The data set that the files of an import hold, under the import's name. Throws DatasetError naming the file. */
export function parseImport(header: DatasetImportHeader, files: ReadonlyMap<string, Uint8Array>): LoadedDataset {
  const { declaration, splits } = parse(header, files);
  return { declaration: { ...declaration, name: header.name }, splits };
}

function parse(
  { name, format, seed, testFraction = 0.2, imageSize = 32 }: DatasetImportHeader,
  files: ReadonlyMap<string, Uint8Array>,
): LoadedDataset {
  switch (format) {
    case DatasetFormat.CIFAR10_BINARY:
      return parseCifar10(byBaseName(files));
    case DatasetFormat.CIFAR10_ARCHIVE: {
      const [entry] = files;
      if (entry === undefined || files.size > 1) throw new DatasetError('the archive', 'must be one file');
      return parseCifar10(byBaseName(readTarGz(entry[1], entry[0])));
    }
    case DatasetFormat.MNIST_IDX:
      return parseIdxFiles(byBaseName(files));
    default:
      return parseImageTree(files, { name, testFraction, seed, size: imageSize });
  }
}

function parseIdxFiles(files: ReadonlyMap<string, Uint8Array>): LoadedDataset {
  const find = (name: string): Uint8Array => {
    const bytes = files.get(name) ?? files.get(`${name}.gz`);
    if (bytes === undefined) throw new DatasetError(name, 'is missing');
    return bytes;
  };
  const { declaration, splits } = parseMnist({
    trainImages: find('train-images-idx3-ubyte'),
    trainLabels: find('train-labels-idx1-ubyte'),
    testImages: find('t10k-images-idx3-ubyte'),
    testLabels: find('t10k-labels-idx1-ubyte'),
  });
  return {
    declaration: { ...declaration, description: 'Grey images of ten classes, padded to 32x32, in three channels' },
    splits,
  };
}

/** Files without their folders, which archives and uploads differ in. */
function byBaseName(files: ReadonlyMap<string, Uint8Array>): ReadonlyMap<string, Uint8Array> {
  return new Map([...files].map(([name, bytes]) => [name.slice(name.lastIndexOf('/') + 1), bytes]));
}
