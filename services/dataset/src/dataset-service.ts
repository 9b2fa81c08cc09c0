import {
  type DatasetReadRequest,
  type DatasetReadResponse,
  type DatasetSelection,
  DatasetService,
  encodeTensor,
  rpcError,
} from '@percept/contracts';
import { EpochBatches } from '@percept/datasets';
import { type CallContext, type MountedService, mount, Violations } from '@percept/platform';
import type { Catalogue } from './catalogue.js';
import { describeDataset } from './describe-dataset.js';
import { validateRead, validateSelection } from './validate-read.js';

/** The Dataset service over a catalogue. */
export function datasetService(catalogue: Catalogue): MountedService {
  return mount(DatasetService, {
    list: async () => ({
      datasets: await Promise.all(
        catalogue.entries.map(async (entry) => {
          const available = await entry.isAvailable();
          return describeDataset(entry, available ? await catalogue.load(entry.declaration.name) : undefined);
        }),
      ),
    }),
    get: async ({ name }) => {
      const entry = catalogue.find(name);
      return { dataset: describeDataset(entry, (await entry.isAvailable()) ? await catalogue.load(name) : undefined) };
    },
    read: (request, context) => readEpoch(catalogue, request, context),
    import: async () => {
      throw rpcError(
        'UNIMPLEMENTED',
        'importing data sets over the network is not supported yet; put their files into the data folder',
      );
    },
    getSamples: async ({ selection }) => {
      const violations = new Violations();
      violations.check(selection !== undefined, 'selection', 'must be given');
      violations.throwIfAny();
      const asked = selection as DatasetSelection;
      const { split, indices } = validateSelection(asked, await catalogue.load(asked.dataset));
      return {
        images: encodeTensor(split.images(indices), [indices.length, ...split.shape]),
        labels: Array.from(indices, (index) => split.labels[index] as number),
        indices: [...indices],
      };
    },
  });
}

async function* readEpoch(
  catalogue: Catalogue,
  request: DatasetReadRequest,
  { signal }: CallContext,
): AsyncGenerator<DatasetReadResponse, void, void> {
  const { split, options } = validateRead(request, await catalogue.load(request.name));
  const epoch = new EpochBatches(split, options);
  for (let index = request.startBatch; index < epoch.batchesPerEpoch; index++) {
    signal.throwIfAborted();
    const { images, labels, sampleIds } = epoch.batch(request.epoch, index);
    yield {
      batch: index,
      batches: epoch.batchesPerEpoch,
      images: encodeTensor(images, [labels.length, ...split.shape]),
      labels: [...labels],
      indices: [...sampleIds],
    };
  }
}
