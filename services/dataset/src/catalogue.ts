import path from 'node:path';
import { rpcError } from '@percept/contracts';
import {
  cifar10Declaration,
  type DatasetDeclaration,
  hasCifar10,
  type LoadedDataset,
  loadCifar10,
  loadEmbeddedMnist,
  mnistDeclaration,
} from '@percept/datasets';

/** A data set that the service knows, whether or not its files are there. */
export interface CatalogueEntry {
  readonly declaration: DatasetDeclaration;
  /** Where it comes from, or what to do to have it. */
  readonly source: string;
  isAvailable(): Promise<boolean>;
  load(): Promise<LoadedDataset>;
}

/** The data sets of a service; each is read once, when it is first asked for. */
export class Catalogue {
  readonly #entries: readonly CatalogueEntry[];
  readonly #loaded = new Map<string, Promise<LoadedDataset>>();

  /** `dataFolder` is where CIFAR-10's folder `cifar-10-batches-bin` is looked for. */
  constructor(dataFolder: string) {
    const cifarFolder = path.join(dataFolder, 'cifar-10-batches-bin');
    this.#entries = [
      {
        declaration: mnistDeclaration,
        source: 'comes with Percept',
        isAvailable: async () => true,
        load: loadEmbeddedMnist,
      },
      {
        declaration: cifar10Declaration,
        source:
          'put the folder cifar-10-batches-bin of the official binary archive (cifar-10-binary.tar.gz) into the data folder',
        isAvailable: () => hasCifar10(cifarFolder),
        load: () => loadCifar10(cifarFolder),
      },
    ];
  }

  get entries(): readonly CatalogueEntry[] {
    return this.#entries;
  }

  /** @throws PerceptRpcError NOT_FOUND. */
  find(name: string): CatalogueEntry {
    const entry = this.#entries.find(({ declaration }) => declaration.name === name);
    if (entry !== undefined) return entry;
    const names = this.#entries.map(({ declaration }) => declaration.name).join(', ');
    throw rpcError('NOT_FOUND', `there is no data set "${name}"; there are ${names}`);
  }

  /** A data set in memory. @throws PerceptRpcError NOT_FOUND, FAILED_PRECONDITION when its files are missing; DatasetError when they are corrupt. */
  async load(name: string): Promise<LoadedDataset> {
    const entry = this.find(name);
    const known = this.#loaded.get(name);
    if (known !== undefined) return await known;
    if (!(await entry.isAvailable())) {
      throw rpcError('FAILED_PRECONDITION', `the files of data set ${name} are not there: ${entry.source}`);
    }
    const loading = entry.load();
    this.#loaded.set(name, loading);
    try {
      return await loading;
    } catch (error) {
      this.#loaded.delete(name);
      throw error;
    }
  }
}
