import { readFile } from 'node:fs/promises';
import type { LoadedDataset } from '../dataset.js';
import { parseMnist } from '../mnist.js';

const folder = new URL('../../assets/mnist-5k/', import.meta.url);

/** Reads the sample of MNIST that comes with this library. */
export async function loadEmbeddedMnist(): Promise<LoadedDataset> {
  const read = (file: string): Promise<Uint8Array> => readFile(new URL(file, folder));
  const [trainImages, trainLabels, testImages, testLabels] = await Promise.all([
    read('train-images-idx3-ubyte.gz'),
    read('train-labels-idx1-ubyte.gz'),
    read('t10k-images-idx3-ubyte.gz'),
    read('t10k-labels-idx1-ubyte.gz'),
  ]);
  return parseMnist({ trainImages, trainLabels, testImages, testLabels });
}
