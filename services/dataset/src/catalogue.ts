import path from 'node:path';
import { rpcError } from '@percept/contracts';
import {
  cifar10Declaration,
  type DatasetDeclaration,
  DatasetError,
  hasCifar10,
  type LoadedDataset,
  loadCifar10,
  loadEmbeddedMnist,
  mnistDeclaration,
} from '@percept/datasets';
import { type ImportedDataset, ImportedDatasets } from './imported-datasets.js';

/** A data set that the service knows, whether or not its files are there. */
export interface CatalogueEntry {
  readonly declaration: DatasetDeclaration;
  /** Where it comes from, or what to do to have it. */
  readonly source: string;
  isAvailable(): Promise<boolean>;
  load(): Promise<LoadedDataset>;
}

/** The data sets of a service, known and imported; each is read once, when it is first asked for. */
export class Catalogue {
  readonly #known: readonly CatalogueEntry[];
  readonly #imported: ImportedDatasets;
  readonly #loaded = new Map<string, Promise<LoadedDataset>>();

  /** `dataFolder` is where CIFAR-10's folder `cifar-10-batches-bin` is looked for, and where imported data sets are kept. */
  constructor(dataFolder: string) {
    const cifarFolder = path.join(dataFolder, 'cifar-10-batches-bin');
    this.#imported = new ImportedDatasets(path.join(dataFolder, 'imported'));
    this.#known = [
      {
        declaration: mnistDeclaration,
        source: 'comes with Percept',
        isAvailable: async () => true,
        load: loadEmbeddedMnist,
      },
      {
        declaration: cifar10Declaration,
        source:
          'put the folder cifar-10-batches-bin of the official binary archive (cifar-10-binary.tar.gz) into the data folder, or import it',
        isAvailable: () => hasCifar10(cifarFolder),
        load: () => loadCifar10(cifarFolder),
      },
    ];
  }

  /** Every data set, imported ones after those that are known. An imported one stands in for a known one whose files are missing. */
  async entries(): Promise<CatalogueEntry[]> {
    const imported = await this.#imported.names();
    const known = this.#known.filter(({ declaration }) => !imported.includes(declaration.name));
    return [...known, ...(await Promise.all(imported.map((name) => this.#importedEntry(name))))];
  }

  /** @throws PerceptRpcError NOT_FOUND. */
  async find(name: string): Promise<CatalogueEntry> {
    if (await this.#imported.has(name)) return await this.#importedEntry(name);
    const entry = this.#known.find(({ declaration }) => declaration.name === name);
    if (entry !== undefined) return entry;
    const names = [...this.#known.map(({ declaration }) => declaration.name), ...(await this.#imported.names())];
    throw rpcError('NOT_FOUND', `there is no data set "${name}"; there are ${names.join(', ')}`);
  }

  /** A data set in memory. @throws PerceptRpcError NOT_FOUND; FAILED_PRECONDITION when its files are missing or not sound. */
  async load(name: string): Promise<LoadedDataset> {
    const entry = await this.find(name);
    const known = this.#loaded.get(name);
    if (known !== undefined) return await known;
    if (!(await entry.isAvailable())) {
      throw rpcError('FAILED_PRECONDITION', `the files of data set ${name} are not there: ${entry.source}`);
    }
    const loading = sound(name, () => entry.load());
    this.#loaded.set(name, loading);
    try {
      return await loading;
    } catch (error) {
      this.#loaded.delete(name);
      throw error;
    }
  }

  /**
   * Whether a name is free for an import: true, or the data set that the same request imported before.
   *
   * @throws PerceptRpcError ALREADY_EXISTS.
   */
  async claim(name: string, requestId: string): Promise<'free' | 'answered'> {
    if (await this.#imported.has(name)) {
      const earlier = await this.#imported.load(name);
      if (requestId !== '' && earlier.requestId === requestId) return 'answered';
      throw rpcError('ALREADY_EXISTS', `there is a data set ${name} already`);
    }
    const known = this.#known.find(({ declaration }) => declaration.name === name);
    if (known !== undefined && (await known.isAvailable())) {
      throw rpcError('ALREADY_EXISTS', `there is a data set ${name} already`);
    }
    return 'free';
  }

  /** Keeps an imported data set. @throws PerceptRpcError RESOURCE_EXHAUSTED when the disk is full. */
  async keep(dataset: ImportedDataset): Promise<void> {
    await this.#imported.keep(dataset);
    this.#loaded.delete(dataset.declaration.name);
  }

  async #importedEntry(name: string): Promise<CatalogueEntry> {
    const { declaration, origin } = await sound(name, () => this.#imported.load(name));
    return {
      declaration,
      source: origin,
      isAvailable: async () => true,
      load: () => this.#imported.load(name),
    };
  }
}

async function sound<Result>(name: string, load: () => Promise<Result>): Promise<Result> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof DatasetError)) throw error;
    throw rpcError('FAILED_PRECONDITION', `the files of data set ${name} are not sound: ${error.message}`, {
      cause: error,
    });
  }
}
