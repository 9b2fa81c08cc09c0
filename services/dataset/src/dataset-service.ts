import {
  type DatasetReadRequest,
  type DatasetReadResponse,
  type DatasetSelection,
  DatasetService,
  DataType,
  encodeTensor,
  pixelsOfBytes,
} from '@percept/contracts';
import { EpochBatches } from '@percept/datasets';
import { type CallContext, type MountedService, mount, Violations } from '@percept/platform';
import type { Catalogue } from './catalogue.js';
import { describeDataset } from './describe-dataset.js';
import { type ImportSources, importDataset } from './import-dataset.js';
import { validateRead, validateSelection } from './validate-read.js';

/** The Dataset service over a catalogue. */
export function datasetService(catalogue: Catalogue, sources: ImportSources): MountedService {
  return mount(DatasetService, {
    list: async () => ({
      datasets: await Promise.all(
        (await catalogue.entries()).map(async (entry) => {
          const available = await entry.isAvailable();
          return describeDataset(entry, available ? await catalogue.load(entry.declaration.name) : undefined);
        }),
      ),
    }),
    get: async ({ name }) => {
      const entry = await catalogue.find(name);
      return { dataset: describeDataset(entry, (await entry.isAvailable()) ? await catalogue.load(name) : undefined) };
    },
    read: (request, context) => readEpoch(catalogue, request, context),
    import: async (requests, { signal }) => ({ dataset: await importDataset(requests, catalogue, sources, signal) }),
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
    const { pixels, labels, sampleIds } = epoch.batch(request.epoch, index);
    const images = request.imagesDtype === DataType.UINT8 ? pixels : pixelsOfBytes(pixels);
    yield {
      batch: index,
      batches: epoch.batchesPerEpoch,
      images: encodeTensor(images, [labels.length, ...split.shape]),
      labels: [...labels],
      indices: [...sampleIds],
    };
  }
}
