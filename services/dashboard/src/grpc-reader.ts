import {
  type ChannelOptions,
  type ClientReadableStream,
  connectivityState,
  credentials,
  status as grpcStatus,
} from '@grpc/grpc-js';
import {
  DatasetClient,
  EvaluationClient,
  type FileChunk,
  type Job,
  JobsClient,
  ModelFormat,
  ModelsClient,
  TrainingClient,
} from '@percept/contracts';
import { callUnary } from './call-unary.js';
import { asHttpError, grpcCodeOf, HttpError } from './http-error.js';
import { jobEventViews } from './job-event-view.js';
import type { JobListing } from './job-feed.js';
import { jobDetailView, jobView, reportFileAddress } from './job-view.js';
import { datasetView, modelView, recipeView } from './registry-view.js';
import type { OpenFile, ServiceReader } from './service-reader.js';
import type { ArtifactView, JobEventView, ServiceView } from './views.js';

/** Where the services listen, each as HOST:PORT; all may be the same. */
export interface DashboardEndpoints {
  readonly dataset: string;
  readonly training: string;
  readonly attack: string;
  readonly evaluation: string;
}

const unaryTimeout = 10_000;
const streamTimeout = 24 * 3_600_000;
const listedJobs = 500;
const listedModels = 1_000;
const rememberedHomes = 10_000;

const channelOptions: ChannelOptions = {
  'grpc.max_receive_message_length': 32 * 1024 * 1024,
  'grpc.initial_reconnect_backoff_ms': 250,
  'grpc.max_reconnect_backoff_ms': 2_000,
};

/** Reads a server's stream; leaving the loop, an error or the signal cancels the call. */
async function* readStream<T>(stream: ClientReadableStream<T>, signal?: AbortSignal): AsyncGenerator<T> {
  const cancel = (): void => stream.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  // A cancelled stream reports its cancellation after the loop below has stopped to listen.
  stream.on('error', () => undefined);
  try {
    for await (const message of stream) yield message as T;
  } finally {
    signal?.removeEventListener('abort', cancel);
    stream.cancel();
  }
}

/** Waits for a stream's first piece, so that an error is known before the answer's head is sent. */
async function openFile(
  chunks: AsyncGenerator<FileChunk | undefined>,
  describe: (first: FileChunk) => { readonly mediaType: string; readonly bytes: number | null },
): Promise<OpenFile> {
  const first = await chunks.next();
  const head = first.done ? undefined : first.value;
  if (head === undefined) {
    await chunks.return(undefined);
    throw new HttpError(502, 'EMPTY_FILE', 'The service sent no file.');
  }
  async function* all(start: FileChunk): AsyncGenerator<Uint8Array> {
    yield start.data;
    for await (const chunk of chunks) if (chunk !== undefined) yield chunk.data;
  }
  return { ...describe(head), chunks: all(head) };
}

function jobOf(response: { readonly job?: Job | undefined }): Job {
  if (response.job === undefined) throw new HttpError(502, 'EMPTY_ANSWER', 'The service answered without a job.');
  return response.job;
}

function parseJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : JSON.parse(Buffer.from(bytes).toString('utf8'));
}

/** Opens the gRPC clients that the dashboard reads through; `close` ends them. */
export function openGrpcReader(endpoints: DashboardEndpoints): ServiceReader {
  const security = credentials.createInsecure();
  const dataset = new DatasetClient(endpoints.dataset, security, channelOptions);
  const training = new TrainingClient(endpoints.training, security, channelOptions);
  const models = new ModelsClient(endpoints.training, security, channelOptions);
  const evaluation = new EvaluationClient(endpoints.evaluation, security, channelOptions);
  const owners = new Map<string, JobsClient>();
  for (const address of [endpoints.training, endpoints.attack, endpoints.evaluation]) {
    if (!owners.has(address)) owners.set(address, new JobsClient(address, security, channelOptions));
  }
  const homes = new Map<string, JobsClient>();

  function connectionView(name: string, client: DatasetClient): ServiceView {
    const state = client.getChannel().getConnectivityState(true);
    const serving = state !== connectivityState.TRANSIENT_FAILURE && state !== connectivityState.SHUTDOWN;
    return {
      name,
      address: endpoints.dataset,
      serving,
      message: serving ? '' : 'no connection',
      workers: null,
    };
  }

  async function listOwner(address: string, jobs: JobsClient): Promise<JobListing> {
    const names = (['training', 'attack', 'evaluation'] as const).filter((name) => endpoints[name] === address);
    const name = names.join(', ');
    try {
      const request = { kinds: [], states: [], pageSize: listedJobs, pageToken: '' };
      const response = await callUnary(jobs.list.bind(jobs), request, unaryTimeout);
      if (homes.size > rememberedHomes) homes.clear();
      for (const job of response.jobs) homes.set(job.id, jobs);
      const service = { name, address, serving: true, message: '', workers: null };
      return { service, jobs: response.jobs.map(jobView) };
    } catch (error) {
      const service = { name, address, serving: false, message: asHttpError(error).message, workers: null };
      return { service, jobs: null };
    }
  }

  /** Finds the service that owns a job: the one that listed it, or else the first that knows it. */
  async function findJob(id: string): Promise<{ readonly client: JobsClient; readonly job: Job }> {
    const home = homes.get(id);
    let failure: unknown;
    for (const client of home === undefined ? owners.values() : [home]) {
      try {
        const response = await callUnary(client.get.bind(client), { jobId: id }, unaryTimeout);
        homes.set(id, client);
        return { client, job: jobOf(response) };
      } catch (error) {
        if (failure === undefined || grpcCodeOf(error) !== grpcStatus.NOT_FOUND) failure = error;
      }
    }
    throw failure;
  }

  async function* watchJob(id: string, after: number, signal: AbortSignal): AsyncGenerator<readonly JobEventView[]> {
    const { client } = await findJob(id);
    const request = { jobId: id, afterSequence: after, follow: true };
    const stream = client.watch(request, { deadline: Date.now() + streamTimeout });
    for await (const { event } of readStream(stream, signal)) {
      if (event !== undefined) yield jobEventViews(event);
    }
  }

  return {
    async listJobs() {
      const listings = await Promise.all([...owners].map(([address, jobs]) => listOwner(address, jobs)));
      return [{ service: connectionView('dataset', dataset), jobs: [] }, ...listings];
    },
    async getJob(id) {
      return jobDetailView((await findJob(id)).job);
    },
    async cancelJob(id) {
      const { client } = await findJob(id);
      return jobView(jobOf(await callUnary(client.cancel.bind(client), { jobId: id, requestId: '' }, unaryTimeout)));
    },
    watchJob,
    async listModels() {
      const request = { name: '', pageSize: listedModels, pageToken: '' };
      return (await callUnary(models.list.bind(models), request, unaryTimeout)).models.map(modelView);
    },
    async getModel(name) {
      const { model } = await callUnary(models.get.bind(models), { model: name }, unaryTimeout);
      if (model === undefined) throw new HttpError(502, 'EMPTY_ANSWER', 'The service answered without a model.');
      return modelView(model);
    },
    async listRecipes() {
      return (await callUnary(training.listRecipes.bind(training), {}, unaryTimeout)).recipes.map(recipeView);
    },
    async listDatasets() {
      return (await callUnary(dataset.list.bind(dataset), {}, unaryTimeout)).datasets.map(datasetView);
    },
    async getReport(id) {
      const response = await callUnary(evaluation.getReport.bind(evaluation), { reportId: id }, unaryTimeout);
      const artifacts = response.artifacts.map(
        (artifact): ArtifactView => ({
          name: artifact.name,
          href: reportFileAddress(id, artifact.name),
          mediaType: artifact.mediaType,
          bytes: artifact.sizeBytes,
        }),
      );
      return { id, report: parseJson(response.reportJson), run: parseJson(response.runJson), artifacts };
    },
    async openReportFile(id, name) {
      const report = await callUnary(evaluation.getReport.bind(evaluation), { reportId: id }, unaryTimeout);
      const artifact = report.artifacts.find((each) => each.name === name);
      if (artifact === undefined) throw new HttpError(404, 'NOT_FOUND', `The report has no file ${name}.`);
      const stream = evaluation.getArtifact({ reportId: id, name }, { deadline: Date.now() + streamTimeout });
      async function* chunks(): AsyncGenerator<FileChunk | undefined> {
        for await (const { chunk } of readStream(stream)) yield chunk;
      }
      return openFile(chunks(), () => ({ mediaType: artifact.mediaType, bytes: artifact.sizeBytes }));
    },
    async openModelWeights(id) {
      const request = { model: id, format: ModelFormat.SAFETENSORS };
      const stream = models.export(request, { deadline: Date.now() + streamTimeout });
      async function* chunks(): AsyncGenerator<FileChunk | undefined> {
        for await (const { chunk } of readStream(stream)) yield chunk;
      }
      return openFile(chunks(), () => ({ mediaType: 'application/octet-stream', bytes: null }));
    },
    close() {
      for (const client of [dataset, training, models, evaluation, ...owners.values()]) client.close();
    },
  };
}
