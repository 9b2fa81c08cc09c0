import { setTimeout as delay } from 'node:timers/promises';
import { AugmentationLaw, type DatasetReadRequest, DataType, PerceptRpcError } from '@percept/contracts';
import type { DatasetGateway, ReadBatch } from '@percept/gateways';
import type { Batch, BatchSource } from '@percept/recipes';

/** Which samples a training reads, and how. */
export interface EpochBatchesOptions {
  readonly dataset: string;
  readonly samples: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** The stream that is read from, where it stands, and its next batch, under way. */
interface OpenEpoch {
  readonly epoch: number;
  readonly stream: AsyncGenerator<ReadBatch, void, void>;
  next: number;
  pending: Promise<IteratorResult<ReadBatch, void>>;
}

const attempts = 6;
const firstDelayMs = 200;

/**
 * The training batches of a data set, read from the Dataset service: one stream per epoch with the next batch always under way, begun
 * anywhere, and begun again where it broke off.
 */
export class EpochBatches implements BatchSource {
  readonly batchesPerEpoch: number;
  readonly #datasets: DatasetGateway;
  readonly #options: EpochBatchesOptions;
  #open: OpenEpoch | undefined;

  constructor(datasets: DatasetGateway, options: EpochBatchesOptions) {
    this.#datasets = datasets;
    this.#options = options;
    this.batchesPerEpoch = Math.ceil(options.samples / options.batchSize);
  }

  /** @throws PerceptRpcError when the service stays away. */
  async batch(epoch: number, index: number): Promise<Batch> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#read(epoch, index);
      } catch (error) {
        await this.close();
        const isPassing = error instanceof PerceptRpcError && error.code === 'UNAVAILABLE' && attempt < attempts;
        if (!isPassing) throw error;
        await delay(firstDelayMs * 2 ** attempt, undefined, { signal: this.#options.signal });
      }
    }
  }

  /** Ends the open stream; the source may still be read afterwards. */
  async close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    // What was under way is no longer wanted.
    open.pending.catch(() => undefined);
    await open.stream.return();
  }

  async #read(epoch: number, index: number): Promise<Batch> {
    const open =
      this.#open?.epoch === epoch && this.#open.next === index ? this.#open : await this.#begin(epoch, index);
    const { value } = await open.pending;
    if (!value || value.batch !== index || value.batches !== this.batchesPerEpoch) {
      throw new PerceptRpcError(
        'DATA_LOSS',
        `the data set ${this.#options.dataset} gave ${value ? `batch ${value.batch} of ${value.batches}` : 'no batch'} instead of batch ${index} of ${this.batchesPerEpoch}`,
      );
    }
    open.next = index + 1;
    if (open.next < this.batchesPerEpoch) open.pending = prefetched(open.stream);
    return { images: value.images, labels: value.labels, sampleIds: value.indices };
  }

  async #begin(epoch: number, startBatch: number): Promise<OpenEpoch> {
    await this.close();
    const { dataset, samples, batchSize, seed, signal } = this.#options;
    const request: DatasetReadRequest = {
      name: dataset,
      split: 'train',
      batchSize,
      seed,
      epoch,
      shuffle: true,
      augmentationLaw: AugmentationLaw.DECLARED,
      augmentation: undefined,
      startBatch,
      limit: samples,
      imagesDtype: DataType.UINT8,
    };
    const stream = this.#datasets.read(request, { signal });
    this.#open = { epoch, stream, next: startBatch, pending: prefetched(stream) };
    return this.#open;
  }
}

function prefetched(stream: AsyncGenerator<ReadBatch, void, void>): Promise<IteratorResult<ReadBatch, void>> {
  const next = stream.next();
  // Whoever reads the batch sees its error; until then it must not count as unhandled.
  next.catch(() => undefined);
  return next;
}
