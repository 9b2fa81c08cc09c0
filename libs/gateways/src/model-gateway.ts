import { createHash } from 'node:crypto';
import {
  type CallOptions,
  type ClientSecurity,
  createClient,
  type Model,
  ModelFormat,
  type ModelReference,
  ModelsService,
  type ServiceClient,
} from '@percept/contracts';
import { currentTraceparent } from '@percept/platform';
import { CorruptWeightsError, IncompleteAnswerError, RemoteModelError } from './errors.js';

/** A registered model together with its weights. */
export interface FetchedModel {
  readonly model: Model;
  /** The weights as safetensors, verified against the model's digest; shared with the threads that they are sent to, so not to be changed. */
  readonly weights: Uint8Array;
}

/** How many bytes of weights a gateway keeps at most. */
const cacheBytes = 512 * 1024 * 1024;

/** Reads models and their weights from the Models service; keeps recently used weights by digest. */
export class ModelGateway {
  readonly #client: ServiceClient<typeof ModelsService>;
  readonly #weights = new Map<string, Uint8Array>();

  constructor(address: string, security: ClientSecurity = {}) {
    this.#client = createClient(ModelsService, address, { ...security, traceparent: currentTraceparent });
  }

  /**
   * Describes the model that a request refers to.
   *
   * @throws RemoteModelError for a model behind an inference endpoint, PerceptRpcError NOT_FOUND for an unknown one.
   */
  async describe(reference: ModelReference | undefined, options: CallOptions = {}): Promise<Model> {
    if (reference?.reference?.$case === 'remote') throw new RemoteModelError();
    const { model } = await this.#client.get({ model: reference?.reference?.value ?? '' }, options);
    if (model === undefined) throw new IncompleteAnswerError('Models.Get', 'a model');
    return model;
  }

  /** Describes a model and fetches its weights. @throws CorruptWeightsError when the bytes do not have the model's digest. */
  async fetch(reference: ModelReference | undefined, options: CallOptions = {}): Promise<FetchedModel> {
    const model = await this.describe(reference, options);
    const known = this.#weights.get(model.digest);
    const weights = known ?? (await this.#download(model, options));
    this.#keep(model.digest, weights);
    return { model, weights };
  }

  close(): void {
    this.#client.close();
  }

  async #download(model: Model, options: CallOptions): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    const request = { model: model.id, format: ModelFormat.SAFETENSORS };
    for await (const { chunk } of this.#client.export(request, options)) if (chunk) chunks.push(chunk.data);
    const weights = sharedBytes(chunks);
    const digest = createHash('sha256').update(weights).digest('hex');
    if (digest !== model.digest) throw new CorruptWeightsError(model.id, model.digest, digest);
    return weights;
  }

  #keep(digest: string, weights: Uint8Array): void {
    this.#weights.delete(digest);
    this.#weights.set(digest, weights);
    let total = 0;
    for (const kept of this.#weights.values()) total += kept.byteLength;
    for (const [oldest, kept] of this.#weights) {
      if (total <= cacheBytes || oldest === digest) break;
      this.#weights.delete(oldest);
      total -= kept.byteLength;
    }
  }
}

/** The chunks one after the other, in memory that threads share: each attack sends its model's weights to a thread. */
function sharedBytes(chunks: readonly Uint8Array[]): Uint8Array {
  const length = chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  const bytes = new Uint8Array(new SharedArrayBuffer(length));
  let offset = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, offset);
    offset += chunk.byteLength;
  }
  return bytes;
}
