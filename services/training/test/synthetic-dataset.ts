import { AugmentationLaw, type DatasetReadRequest, DatasetService, encodeTensor, rpcError } from '@percept/contracts';
import { type MountedService, mount } from '@percept/platform';
import { permutation, uniformArray } from '@percept/tensor';

export interface SyntheticDataset {
  readonly service: MountedService;
  /** Every read that began. */
  readonly reads: DatasetReadRequest[];
}

const side = 8;
const pixels = side * side;
const samples: Readonly<Record<string, number>> = { train: 20, test: 12 };

/**
 * A Dataset service with one data set, `blobs`: 8 x 8 grey noise whose left or right half is brighter, by class. `onBatch` sees each batch
 * before it is sent.
 */
export function syntheticDataset(
  onBatch: (batch: number, request: DatasetReadRequest) => void | Promise<void> = () => undefined,
): SyntheticDataset {
  const reads: DatasetReadRequest[] = [];
  const service = mount(DatasetService, {
    list: async () => ({ datasets: [] }),
    get: async ({ name }) => {
      if (name !== 'blobs') throw rpcError('NOT_FOUND', `there is no data set ${name}`);
      return { dataset: description() };
    },
    read: async function* (request) {
      reads.push(request);
      const split = request.split === '' ? 'train' : request.split;
      const count = Math.min(request.limit ?? Number.POSITIVE_INFINITY, samples[split] ?? 0);
      const order = request.shuffle
        ? [...permutation({ seed: request.seed, purpose: `order ${split} ${request.epoch}` }, count)]
        : Array.from({ length: count }, (_, i) => i);
      const batches = Math.ceil(count / request.batchSize);
      for (let batch = request.startBatch; batch < batches; batch++) {
        await onBatch(batch, request);
        const indices = order.slice(batch * request.batchSize, (batch + 1) * request.batchSize);
        const images = Float32Array.from(indices.flatMap((index) => [...imageOf(split, index)]));
        const augmented = request.augmentationLaw === AugmentationLaw.DECLARED ? images.map((x) => x * 0.99) : images;
        yield {
          batch,
          batches,
          images: encodeTensor(augmented, [indices.length, side, side, 1]),
          labels: indices.map((index) => index % 2),
          indices,
        };
      }
    },
    import: async () => {
      throw rpcError('UNIMPLEMENTED', 'a synthetic data set takes no imports');
    },
    getSamples: async () => {
      throw rpcError('UNIMPLEMENTED', 'a synthetic data set gives batches only');
    },
  });
  return { service, reads };
}

function imageOf(split: string, index: number): Float32Array {
  const noise = uniformArray({ seed: 7, purpose: `image ${split}`, sample: index }, pixels, 0, 0.5);
  return noise.map((x, i) => (i % side < side / 2 === (index % 2 === 0) ? x + 0.5 : x));
}

function description() {
  return {
    name: 'blobs',
    description: 'Noise with a bright half',
    classNames: ['left', 'right'],
    height: side,
    width: side,
    channels: 1,
    splits: Object.entries(samples).map(([name, count]) => ({
      name,
      samples: count,
      digest: name.padEnd(64, '0'),
      classCounts: [count / 2, count / 2],
    })),
    defaults: {
      norm: Number.POSITIVE_INFINITY,
      epsilon: 0.1,
      grid: [0, 0.1],
      augmentation: { cropPadding: 0, horizontalFlip: false },
      mean: [0.5],
      std: [0.25],
    },
    source: 'made for tests',
    available: true,
  };
}
