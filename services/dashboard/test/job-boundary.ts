import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js';
import {
  type EvaluationServer,
  EvaluationService,
  type FileChunk,
  Job,
  type JobEvent,
  JobState,
  type JobsServer,
  JobsService,
  type JobsWatchRequest,
  type JobsWatchResponse,
  Model,
  type ModelsServer,
  ModelsService,
} from '@percept/contracts';

type WatchCall = ServerWritableStream<JobsWatchRequest, JobsWatchResponse>;
type Answer<T> = (error: { code: number; details: string } | null, response?: T) => void;

/** A gRPC server of the contracts that the dashboard reads, whose jobs and events the test decides. */
export interface JobBoundary {
  readonly address: string;
  readonly watchRequests: JobsWatchRequest[];
  /** Watch calls that are open now. */
  openWatches(): number;
  putJob(job: Parameters<typeof Job.fromPartial>[0]): void;
  dropJob(id: string): void;
  /** Adds an event to a job; the job's watchers get it at once. */
  emit(jobId: string, event: JobEvent['event']): number;
  /** Ends the job's streams as the end of a job does. */
  finish(jobId: string): void;
  addModel(model: Parameters<typeof Model.fromPartial>[0]): void;
  addReport(id: string, report: unknown, files: Readonly<Record<string, readonly [string, Uint8Array]>>): void;
  /** Stops listening, breaking all calls; `start` goes on at the same address. */
  stop(): void;
  start(): Promise<void>;
}

interface Report {
  readonly json: unknown;
  readonly files: Readonly<Record<string, readonly [string, Uint8Array]>>;
}

function pieces(name: string, bytes: Uint8Array): FileChunk[] {
  const size = 1_000;
  return Array.from({ length: Math.max(1, Math.ceil(bytes.length / size)) }, (_, index) => ({
    name,
    offset: index * size,
    data: bytes.subarray(index * size, (index + 1) * size),
    totalBytes: bytes.length,
    sha256: '',
  }));
}

/** Starts the server on a free port of loopback. */
export async function startJobBoundary(): Promise<JobBoundary> {
  const jobs = new Map<string, Job>();
  const events = new Map<string, JobEvent[]>();
  const watchers = new Map<string, Set<WatchCall>>();
  const models: Model[] = [];
  const reports = new Map<string, Report>();
  const watchRequests: JobsWatchRequest[] = [];
  const missing = (what: string): { code: number; details: string } => ({
    code: status.NOT_FOUND,
    details: `there is no ${what}`,
  });
  const unimplemented = { code: status.UNIMPLEMENTED, details: 'not part of this test' };
  const giveJob = (id: string, answer: Answer<{ job: Job }>): void => {
    const job = jobs.get(id);
    if (job === undefined) answer(missing(`job ${id}`));
    else answer(null, { job });
  };

  function build(): Server {
    const server = new Server();
    server.addService(JobsService, {
      get: (call, answer) => giveJob(call.request.jobId, answer),
      list: (_, answer) => answer(null, { jobs: [...jobs.values()].reverse(), nextPageToken: '' }),
      cancel: (call, answer) => {
        const job = jobs.get(call.request.jobId);
        if (job !== undefined) jobs.set(job.id, { ...job, cancelRequested: true });
        giveJob(call.request.jobId, answer);
      },
      listDeadLetters: (_, answer) => answer(unimplemented),
      requeueDeadLetter: (_, answer) => answer(unimplemented),
      collectGarbage: (_, answer) => answer(unimplemented),
      watch: (call) => {
        const { jobId, afterSequence } = call.request;
        watchRequests.push(call.request);
        for (const event of events.get(jobId) ?? []) if (event.sequence > afterSequence) call.write({ event });
        if (![JobState.QUEUED, JobState.RUNNING].some((state) => state === jobs.get(jobId)?.state)) {
          call.end();
          return;
        }
        const set = watchers.get(jobId) ?? new Set();
        watchers.set(jobId, set.add(call));
        call.on('cancelled', () => set.delete(call));
      },
    } satisfies JobsServer);
    server.addService(ModelsService, {
      list: (_, answer) => answer(null, { models, nextPageToken: '' }),
      get: (call, answer) => {
        const model = models.find((each) => each.id === call.request.model);
        if (model === undefined) answer(missing(`model ${call.request.model}`));
        else answer(null, { model });
      },
      export: (call) => {
        for (const chunk of pieces('weights.safetensors', new Uint8Array(2_500).fill(7))) call.write({ chunk });
        call.end();
      },
      import: (_, answer) => answer(unimplemented),
      setAlias: (_, answer) => answer(unimplemented),
      delete: (_, answer) => answer(unimplemented),
    } satisfies ModelsServer);
    server.addService(EvaluationService, {
      submit: (_, answer) => answer(unimplemented),
      compareReports: (_, answer) => answer(unimplemented),
      getReport: (call, answer) => {
        const { reportId } = call.request;
        const report = reports.get(reportId);
        if (report === undefined) {
          answer(missing(`report ${reportId}`));
          return;
        }
        const artifacts = Object.entries(report.files).map(([name, [mediaType, bytes]]) => ({
          name,
          uri: '',
          sha256: '',
          sizeBytes: bytes.length,
          mediaType,
        }));
        const reportJson = Buffer.from(JSON.stringify(report.json));
        answer(null, { reportId, reportJson, sha256: '', runJson: new Uint8Array(), artifacts });
      },
      getArtifact: (call) => {
        const file = reports.get(call.request.reportId)?.files[call.request.name];
        for (const chunk of pieces(call.request.name, file?.[1] ?? new Uint8Array())) call.write({ chunk });
        call.end();
      },
    } satisfies EvaluationServer);
    return server;
  }

  function listen(target: Server, address: string): Promise<number> {
    return new Promise((resolve, reject) => {
      target.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error) reject(error);
        else resolve(port);
      });
    });
  }

  let server = build();
  const address = `127.0.0.1:${await listen(server, '127.0.0.1:0')}`;
  let sequence = 0;
  return {
    address,
    watchRequests,
    openWatches: () => [...watchers.values()].reduce((sum, set) => sum + set.size, 0),
    putJob(job) {
      const whole = Job.fromPartial(job);
      jobs.set(whole.id, whole);
    },
    dropJob: (id) => jobs.delete(id),
    emit(jobId, happened) {
      const event: JobEvent = { sequence: ++sequence, time: new Date(1_700_000_000_000), jobId, event: happened };
      events.set(jobId, [...(events.get(jobId) ?? []), event]);
      for (const call of watchers.get(jobId) ?? []) call.write({ event });
      return sequence;
    },
    finish(jobId) {
      for (const call of watchers.get(jobId) ?? []) call.end();
      watchers.delete(jobId);
    },
    addModel: (model) => models.push(Model.fromPartial(model)),
    addReport: (id, json, files) => reports.set(id, { json, files }),
    stop() {
      server.forceShutdown();
      watchers.clear();
    },
    async start() {
      server = build();
      await listen(server, address);
    },
  };
}
