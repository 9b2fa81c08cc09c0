import {
  type CallOptions,
  type ClientTls,
  createClient,
  GRPCInferenceServiceService,
  type ModelInferResponse,
  type RemoteModel,
  type ServiceClient,
} from '@percept/contracts';
import { endpointError, RemoteModelAnswerError, type RemoteName } from './errors.js';
import { imagesPerMessage, inferRequest, logitsOf } from './infer-messages.js';
import { describeRemoteModel, type RemoteModelDescription } from './remote-model-description.js';

/** Time for a model's metadata, and for the answer to one message of images, repeated attempts included. */
const metadataTimeoutMs = 10_000;
const inferTimeoutMs = 30_000;

type InferenceClient = ServiceClient<typeof GRPCInferenceServiceService>;

/**
 * Asks an Open Inference endpoint how a model's images and logits look.
 *
 * @throws EndpointUnavailableError, EndpointBusyError, RemoteModelNotFoundError, RemoteModelAnswerError; PerceptRpcError INVALID_ARGUMENT where the
 * request must name an input or an output; the signal's reason.
 */
export async function fetchRemoteModel(
  asked: RemoteModel,
  tls: ClientTls | undefined,
  { signal, deadline }: Pick<CallOptions, 'signal' | 'deadline'> = {},
): Promise<RemoteModelDescription> {
  const client = inferenceClient(asked.endpoint, tls);
  const latest = new Date(Date.now() + metadataTimeoutMs);
  const until = deadline === undefined || deadline > latest ? latest : deadline;
  const { name, version } = asked;
  try {
    const metadata = await asking(asked, signal, () =>
      client.modelMetadata({ name, version }, { signal, deadline: until }),
    );
    return describeRemoteModel(asked, metadata, tls);
  } finally {
    client.close();
  }
}

/** A model behind an Open Inference endpoint, by what it answers: the logits of images, and nothing else. Owns a connection. */
export class RemoteModelGateway {
  readonly classes: number;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  readonly #model: RemoteModelDescription;
  readonly #client: InferenceClient;
  readonly #signal: AbortSignal | undefined;
  #version: string | undefined;

  /** `signal` cancels calls under way and refuses later ones. */
  constructor(model: RemoteModelDescription, signal?: AbortSignal) {
    this.classes = model.classes;
    this.inputShape = model.inputShape;
    this.#model = model;
    this.#client = inferenceClient(model.endpoint, model.tls);
    this.#signal = signal;
  }

  /**
   * Logits [count, classes] of flattened NHWC images in [0, 1], in as many messages as the server's limit makes of them.
   *
   * @throws EndpointUnavailableError once repeated attempts failed, EndpointBusyError, RemoteModelNotFoundError, RemoteModelAnswerError; the signal's reason.
   */
  async scores(rows: Float32Array, count: number): Promise<Float32Array> {
    const [height, width, channels] = this.inputShape;
    const size = height * width * channels;
    const most = imagesPerMessage(this.#model);
    const logits = new Float32Array(count * this.classes);
    for (let first = 0; first < count; first += most) {
      const images = Math.min(most, count - first);
      const part = rows.subarray(first * size, (first + images) * size);
      logits.set(await this.#infer(part, images), first * this.classes);
    }
    return logits;
  }

  close(): void {
    this.#client.close();
  }

  async #infer(rows: Float32Array, count: number): Promise<Float32Array> {
    const request = inferRequest(this.#model, rows, count);
    const how = { signal: this.#signal, timeoutMs: inferTimeoutMs };
    const answer = await asking(this.#model, this.#signal, () => this.#client.modelInfer(request, how));
    this.#requireSameVersion(answer);
    return logitsOf(this.#model, answer, count);
  }

  /** The server may choose the version, but not another one on the way: logits of two models make no result. */
  #requireSameVersion({ modelVersion }: ModelInferResponse): void {
    this.#version ??= modelVersion;
    if (modelVersion === this.#version) return;
    const problem = `its version changed from ${this.#version} to ${modelVersion} on the way; name a version`;
    throw new RemoteModelAnswerError(this.#model, problem);
  }
}

function inferenceClient(endpoint: string, tls: ClientTls | undefined): InferenceClient {
  // With the scheme spelt out no host can be taken for one, as `unix:1` could.
  return createClient(GRPCInferenceServiceService, `dns:///${endpoint}`, tls === undefined ? {} : { tls });
}

async function asking<Answer>(
  model: RemoteName,
  signal: AbortSignal | undefined,
  call: () => Promise<Answer>,
): Promise<Answer> {
  try {
    return await call();
  } catch (error) {
    signal?.throwIfAborted();
    throw endpointError(error, model);
  }
}
