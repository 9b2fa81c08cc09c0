import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { cifar10Files, parseCifar10 } from '../cifar10.js';
import type { LoadedDataset } from '../dataset.js';

/** Whether a folder holds the official binary files. */
export async function hasCifar10(folder: string): Promise<boolean> {
  const found = await Promise.allSettled(
    [...cifar10Files.train, ...cifar10Files.test].map((file) => stat(path.join(folder, file))),
  );
  return found.every(({ status }) => status === 'fulfilled');
}

/** Reads a folder such as `cifar-10-batches-bin`. Throws DatasetError. */
export async function loadCifar10(folder: string): Promise<LoadedDataset> {
  const names = [...cifar10Files.train, ...cifar10Files.test];
  const files = await Promise.all(
    names.map(async (file): Promise<[string, Uint8Array]> => [file, await readFile(path.join(folder, file))]),
  );
  return parseCifar10(new Map(files));
}
