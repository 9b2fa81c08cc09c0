import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readdir, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { rpcError } from '@percept/contracts';
import { type LoadedDataset, readDatasetFile, writeDatasetFile } from '@percept/datasets';

/** A data set that was imported, with what is known of its import. */
export interface ImportedDataset extends LoadedDataset {
  /** Id of the request that imported it; empty for none. */
  readonly requestId: string;
  /** In which form it came, for example `an uploaded image folder`. */
  readonly origin: string;
}

const ending = '.safetensors';

/** Imported data sets, one file each in a folder of the service. */
export class ImportedDatasets {
  readonly #folder: string;
  readonly #loaded = new Map<string, Promise<ImportedDataset>>();

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The names of all that are there, sorted. */
  async names(): Promise<string[]> {
    try {
      const files = await readdir(this.#folder);
      return files
        .filter((file) => file.endsWith(ending))
        .map((file) => file.slice(0, -ending.length))
        .sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  async has(name: string): Promise<boolean> {
    return (await this.names()).includes(name);
  }

  /** Reads a data set, once. @throws DatasetError when its file is corrupt. */
  async load(name: string): Promise<ImportedDataset> {
    const known = this.#loaded.get(name);
    if (known !== undefined) return await known;
    const loading = this.#read(name);
    this.#loaded.set(name, loading);
    try {
      return await loading;
    } catch (error) {
      this.#loaded.delete(name);
      throw error;
    }
  }

  /** Keeps a data set under the name it declares, whole or not at all. @throws PerceptRpcError RESOURCE_EXHAUSTED when the disk is full, ALREADY_EXISTS. */
  async keep({ requestId, origin, ...dataset }: ImportedDataset): Promise<void> {
    const { name } = dataset.declaration;
    const temporary = path.join(this.#folder, `.${randomUUID()}.part`);
    try {
      await mkdir(this.#folder, { recursive: true });
      const file = await open(temporary, 'wx');
      try {
        await file.writeFile(writeDatasetFile(dataset, { request_id: requestId, origin }));
        await file.sync();
      } finally {
        await file.close();
      }
      // Not renamed, as that would replace what another import has just kept.
      await link(temporary, this.#fileOf(name));
      this.#loaded.delete(name);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOSPC' || code === 'EDQUOT') {
        throw rpcError('RESOURCE_EXHAUSTED', `the disk is full: data set ${name} was not kept`, { cause: error });
      }
      if (code === 'EEXIST') throw rpcError('ALREADY_EXISTS', `there is a data set ${name} already`, { cause: error });
      throw error;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async #read(name: string): Promise<ImportedDataset> {
    const { notes, ...dataset } = readDatasetFile(await readFile(this.#fileOf(name)), `${name}${ending}`);
    return { ...dataset, requestId: notes['request_id'] ?? '', origin: notes['origin'] ?? '' };
  }

  #fileOf(name: string): string {
    return path.join(this.#folder, `${name}${ending}`);
  }
}
