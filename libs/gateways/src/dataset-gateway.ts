import {
  type CallOptions,
  type ClientSecurity,
  createClient,
  type DatasetDescription,
  type DatasetReadRequest,
  type DatasetSelection,
  DatasetService,
  DataType,
  decodeImages,
  decodeTensor,
  maxMessageBytes,
  type ServiceClient,
  type Tensor,
} from '@percept/contracts';
import { currentTraceparent } from '@percept/platform';
import { IncompleteAnswerError } from './errors.js';

/** Samples of a data set: n flattened NHWC images in [0, 1], their classes, and their numbers within the split. */
export interface Samples {
  readonly images: Float32Array;
  /** [n, height, width, channels] */
  readonly shape: readonly number[];
  readonly labels: Int32Array;
  readonly indices: Int32Array;
}

/** One batch of an epoch. */
export interface ReadBatch extends Samples {
  readonly batch: number;
  readonly batches: number;
}

/** Samples that are fetched with one call, as many as fit into the bytes; larger selections take several. */
const mostSamplesPerCall = 1_000;
const imageBytesPerCall = maxMessageBytes / 2;

/** Reads data sets from the Dataset service. */
export class DatasetGateway {
  readonly #client: ServiceClient<typeof DatasetService>;

  constructor(address: string, security: ClientSecurity = {}) {
    this.#client = createClient(DatasetService, address, { ...security, traceparent: currentTraceparent });
  }

  /** Describes a data set. @throws PerceptRpcError NOT_FOUND. */
  async describe(name: string, options: CallOptions = {}): Promise<DatasetDescription> {
    const { dataset } = await this.#client.get({ name }, options);
    if (dataset === undefined) throw new IncompleteAnswerError('Dataset.Get', 'a data set');
    return dataset;
  }

  /** Fetches all samples of a selection, in its order. */
  async samples(selection: DatasetSelection, options: CallOptions = {}): Promise<Samples> {
    const dataset = await this.describe(selection.dataset, options);
    const numbers = numbersOf(selection, dataset);
    const samplesPerCall = samplesPerCallOf(dataset);
    const parts: Samples[] = [];
    for (let first = 0; first < numbers.length; first += samplesPerCall) {
      const indices = numbers.slice(first, first + samplesPerCall);
      const answer = await this.#client.getSamples(
        { selection: { ...selection, indices, first: 0, count: 0 } },
        options,
      );
      if (answer.images === undefined) throw new IncompleteAnswerError('Dataset.GetSamples', 'images');
      parts.push({
        images: floats(answer.images),
        shape: answer.images.shape,
        labels: Int32Array.from(answer.labels),
        indices: Int32Array.from(answer.indices),
      });
    }
    return joinSamples(parts);
  }

  /** How many samples a selection holds. */
  async count(selection: DatasetSelection, options: CallOptions = {}): Promise<number> {
    if (selection.indices.length > 0) return selection.indices.length;
    return numbersOf(selection, await this.describe(selection.dataset, options)).length;
  }

  /** Streams the batches of one epoch from `startBatch` on, of either type on the way. */
  async *read(request: DatasetReadRequest, options: CallOptions = {}): AsyncGenerator<ReadBatch, void, void> {
    for await (const answer of this.#client.read(request, options)) {
      if (answer.images === undefined) throw new IncompleteAnswerError('Dataset.Read', 'images');
      yield {
        batch: answer.batch,
        batches: answer.batches,
        images: floats(answer.images),
        shape: answer.images.shape,
        labels: Int32Array.from(answer.labels),
        indices: Int32Array.from(answer.indices),
      };
    }
  }

  close(): void {
    this.#client.close();
  }
}

function numbersOf(selection: DatasetSelection, { splits }: DatasetDescription): number[] {
  if (selection.indices.length > 0) return selection.indices;
  const wanted = selection.split === '' ? 'test' : selection.split;
  const size = splits.find(({ name }) => name === wanted)?.samples ?? 0;
  const count = selection.count === 0 ? Math.max(0, size - selection.first) : selection.count;
  return Array.from({ length: count }, (_, i) => selection.first + i);
}

function samplesPerCallOf({ height, width, channels }: DatasetDescription): number {
  const imageBytes = height * width * channels * Float32Array.BYTES_PER_ELEMENT;
  return Math.min(mostSamplesPerCall, Math.max(1, Math.floor(imageBytesPerCall / imageBytes)));
}

function joinSamples(parts: readonly Samples[]): Samples {
  const [first] = parts;
  if (first === undefined)
    return { images: new Float32Array(0), shape: [0], labels: new Int32Array(0), indices: new Int32Array(0) };
  const count = parts.reduce((sum, part) => sum + part.labels.length, 0);
  const size = first.shape.slice(1).reduce((product, side) => product * side, 1);
  const images = new Float32Array(count * size);
  const labels = new Int32Array(count);
  const indices = new Int32Array(count);
  let at = 0;
  for (const part of parts) {
    images.set(part.images, at * size);
    labels.set(part.labels, at);
    indices.set(part.indices, at);
    at += part.labels.length;
  }
  return { images, shape: [count, ...first.shape.slice(1)], labels, indices };
}

function floats(images: Tensor): Float32Array {
  if (images.dtype === DataType.UINT8) return decodeImages(images, 'images').data;
  // The bytes of an answer are a Buffer somewhere in a larger one, aligned to nothing.
  const aligned = { ...images, data: new Uint8Array(images.data) };
  return decodeTensor(aligned, 'images', { dtypes: ['FLOAT32'] }).data as Float32Array;
}
