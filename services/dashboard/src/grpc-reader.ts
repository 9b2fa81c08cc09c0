import {
  type ClientSecurity,
  type Connection,
  connect,
  DatasetService,
  EvaluationService,
  type FileChunk,
  type Job,
  JobState,
  JobsService,
  ModelFormat,
  ModelsService,
  PerceptRpcError,
  rpcError,
  type ServiceCalls,
  TrainingService,
} from '@percept/contracts';
import { asHttpError, HttpError } from './http-error.js';
import { jobEventViews } from './job-event-view.js';
import type { JobListing } from './job-feed.js';
import { jobDetailView, jobView, reportFileAddress } from './job-view.js';
import { datasetView, modelView, recipeView } from './registry-view.js';
import type { OpenFile, ServiceReader } from './service-reader.js';
import type { ArtifactView, JobEventView, JobView } from './views.js';

/** Where the services listen, each as HOST:PORT; all may be the same. */
export interface DashboardEndpoints {
  readonly dataset: string;
  readonly training: string;
  readonly attack: string;
  readonly evaluation: string;
}

const timeoutMs = 10_000;
const listedJobs = 500;
const listedModels = 1_000;
const rememberedHomes = 10_000;

type JobsCalls = ServiceCalls<typeof JobsService>;

/** Waits for a stream's first piece, so that an error is known before the answer's head is sent. */
async function openFile(
  chunks: AsyncGenerator<FileChunk | undefined>,
  mediaType: string,
  bytes: number | null,
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
  return { mediaType, bytes, chunks: all(head) };
}

function jobOf(response: { readonly job?: Job | undefined }): Job {
  if (response.job === undefined) throw new HttpError(502, 'EMPTY_ANSWER', 'The service answered without a job.');
  return response.job;
}

function parseJson(bytes: Uint8Array): unknown {
  return bytes.length === 0 ? null : JSON.parse(Buffer.from(bytes).toString('utf8'));
}

async function* pieces(
  stream: AsyncIterable<{ readonly chunk?: FileChunk | undefined }>,
): AsyncGenerator<FileChunk | undefined> {
  for await (const { chunk } of stream) yield chunk;
}

/** Opens the gRPC clients that the dashboard reads through; `close` ends them. */
export function openGrpcReader(endpoints: DashboardEndpoints, security: ClientSecurity = {}): ServiceReader {
  const connections = new Map<string, Connection>();
  const at = (address: string): Connection => {
    const connection = connections.get(address) ?? connect(address, { ...security, timeoutMs });
    connections.set(address, connection);
    return connection;
  };
  const dataset = at(endpoints.dataset).calls(DatasetService);
  const training = at(endpoints.training).calls(TrainingService);
  const models = at(endpoints.training).calls(ModelsService);
  const evaluation = at(endpoints.evaluation).calls(EvaluationService);
  const owners = new Map(
    [endpoints.training, endpoints.attack, endpoints.evaluation].map((address): [string, JobsCalls] => [
      address,
      at(address).calls(JobsService),
    ]),
  );
  const homes = new Map<string, JobsCalls>();

  function namesAt(address: string): string {
    const names = ['dataset', 'training', 'attack', 'evaluation'] as const;
    return names.filter((name) => endpoints[name] === address).join(', ');
  }

  async function listing(address: string, list: () => Promise<JobView[]>): Promise<JobListing> {
    const service = { name: namesAt(address), address, workers: null };
    try {
      const jobs = await list();
      return { service: { ...service, serving: true, message: '' }, jobs };
    } catch (error) {
      return { service: { ...service, serving: false, message: asHttpError(error).message }, jobs: null };
    }
  }

  async function listOwner(jobs: JobsCalls): Promise<JobView[]> {
    const response = await jobs.list({ kinds: [], states: [], pageSize: listedJobs, pageToken: '' });
    if (homes.size > rememberedHomes) homes.clear();
    for (const job of response.jobs) homes.set(job.id, jobs);
    return response.jobs.map(jobView);
  }

  /** Finds the service that owns a job: the one that listed it, or else the first that knows it. */
  async function findJob(id: string): Promise<{ readonly calls: JobsCalls; readonly job: Job }> {
    const home = homes.get(id);
    let failure: unknown;
    for (const calls of home === undefined ? owners.values() : [home]) {
      try {
        const response = await calls.get({ jobId: id });
        homes.set(id, calls);
        return { calls, job: jobOf(response) };
      } catch (error) {
        const unknown = error instanceof PerceptRpcError && error.code === 'NOT_FOUND';
        if (failure === undefined || !unknown) failure = error;
      }
    }
    throw failure;
  }

  async function* watchJob(id: string, after: number, signal: AbortSignal): AsyncGenerator<readonly JobEventView[]> {
    const { calls } = await findJob(id);
    for await (const { event } of calls.watch({ jobId: id, afterSequence: after, follow: true }, { signal })) {
      if (event !== undefined) yield jobEventViews(event);
    }
    const { state } = (await findJob(id)).job;
    // A service that drains ends its streams although the job goes on elsewhere.
    if (state === JobState.QUEUED || state === JobState.RUNNING) {
      throw rpcError('UNAVAILABLE', 'The service ended the stream before the job was over.');
    }
  }

  return {
    async listJobs() {
      const listings = [...owners].map(([address, jobs]) => listing(address, () => listOwner(jobs)));
      if (!owners.has(endpoints.dataset)) {
        const ask = async (): Promise<JobView[]> => {
          await dataset.list({});
          return [];
        };
        listings.unshift(listing(endpoints.dataset, ask));
      }
      return Promise.all(listings);
    },
    async getJob(id) {
      return jobDetailView((await findJob(id)).job);
    },
    async cancelJob(id) {
      const { calls } = await findJob(id);
      return jobView(jobOf(await calls.cancel({ jobId: id, requestId: '' })));
    },
    watchJob,
    async listModels() {
      const response = await models.list({ name: '', pageSize: listedModels, pageToken: '' });
      return response.models.map(modelView);
    },
    async getModel(name) {
      const { model } = await models.get({ model: name });
      if (model === undefined) throw new HttpError(502, 'EMPTY_ANSWER', 'The service answered without a model.');
      return modelView(model);
    },
    async listRecipes() {
      return (await training.listRecipes({})).recipes.map(recipeView);
    },
    async listDatasets() {
      return (await dataset.list({})).datasets.map(datasetView);
    },
    async getReport(id) {
      const response = await evaluation.getReport({ reportId: id });
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
      const report = await evaluation.getReport({ reportId: id });
      const artifact = report.artifacts.find((each) => each.name === name);
      if (artifact === undefined) throw new HttpError(404, 'NOT_FOUND', `The report has no file ${name}.`);
      const { mediaType, sizeBytes } = artifact;
      return openFile(pieces(evaluation.getArtifact({ reportId: id, name })), mediaType, sizeBytes);
    },
    async openModelWeights(id) {
      const stream = models.export({ model: id, format: ModelFormat.SAFETENSORS });
      return openFile(pieces(stream), 'application/octet-stream', null);
    },
    close() {
      for (const connection of connections.values()) connection.close();
    },
  };
}
