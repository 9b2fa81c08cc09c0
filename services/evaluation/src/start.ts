import type { Bus } from '@percept/bus';
import { createComputePool, type RunOptions } from '@percept/compute';
import type { ClientSecurity } from '@percept/contracts';
import { computeDependency, DatasetGateway, type Endpoints, ModelGateway, type ServiceParts } from '@percept/gateways';
import {
  type JobHandler,
  type JobQueue,
  type JobRepository,
  type JobRunner,
  ShardGathering,
  ShardWorker,
  startJobRunner,
} from '@percept/jobs';
import type { Metrics } from '@percept/platform';
import type { Store } from '@percept/store';
import { type EngineName, engineFingerprint } from '@percept/tensor';
import { EvaluationJobs, evaluationJobKinds } from './evaluation-jobs.js';
import { evaluationService } from './evaluation-service.js';
import { Reports } from './reports.js';

/** What the evaluation service runs on. */
export interface StartEvaluationOptions {
  readonly bus: Bus;
  readonly store: Store;
  /** The jobs of this store, and how they are queued on this bus. */
  readonly repository: JobRepository;
  readonly queue: JobQueue;
  readonly endpoints: Endpoints;
  /** How it shows other services who it is. Default: no TLS and no token. */
  readonly security?: ClientSecurity;
  /** The engine of the compute workers; absent: native where it can be loaded. */
  readonly engine?: EngineName;
  readonly workers: number;
  readonly threads: number;
  /** How long a job and a shard count as alive without a sign of their worker. Default 30,000. */
  readonly leaseMs?: number;
  /** Where jobs are counted. Default: nowhere. */
  readonly metrics?: Pick<Metrics, 'jobStarted'>;
  readonly onError: (error: unknown) => void;
}

/** Shards of one job that are on the queue or being computed at once. */
const shardsAtOnce = 256;

/** Builds the evaluation service; its jobs run once `start` is called. */
export async function startEvaluation(options: StartEvaluationOptions): Promise<ServiceParts> {
  const { bus, store, repository, queue, endpoints, workers, threads, engine } = options;
  const models = new ModelGateway(endpoints.training, options.security);
  const datasets = new DatasetGateway(endpoints.dataset, options.security);
  const pool = await createComputePool({
    taskModule: new URL(import.meta.resolve('@percept/evaluation-service/tasks')),
    workers,
    threads,
    queueLimit: 1_024,
    ...(engine ? { engine } : {}),
  });
  const reports = new Reports(store);
  const sharing = { bus, store, group: 'evaluation', engine: engineFingerprint(pool.engine), onError: options.onError };
  const lease = options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs };
  /** Every task of the job is a shard for whichever worker is free, this process's among them. */
  const handle =
    (kind: (typeof evaluationJobKinds)[number]): JobHandler =>
    (context) =>
      ShardGathering.during(context, sharing, (shards) => {
        const spread = {
          engine: pool.engine,
          run: <Output>(task: string, input: unknown, how?: RunOptions) => shards.run<Output>(task, input, how),
        };
        return new EvaluationJobs({ models, datasets, pool: spread }, reports, shardsAtOnce).handlers[kind](context);
      });
  let runner: JobRunner | undefined;
  let shardWorker: ShardWorker | undefined;
  return {
    services: [evaluationService(queue, reports)],
    kinds: evaluationJobKinds,
    dependencies: [computeDependency(pool)],
    start: () => {
      shardWorker = new ShardWorker({
        ...sharing,
        ...lease,
        repository,
        concurrency: workers,
        compute: (task, input, { priority, ...how }) =>
          pool.run(task, input, { ...how, priority: priority === 'interactive' ? 'interactive' : 'job' }),
      });
      const handlers = Object.fromEntries(evaluationJobKinds.map((kind) => [kind, handle(kind)]));
      runner = startJobRunner({
        repository,
        bus,
        handlers,
        onError: options.onError,
        ...lease,
        ...(options.metrics ? { observe: options.metrics.jobStarted } : {}),
      });
    },
    close: async () => {
      await runner?.close();
      await shardWorker?.close();
      await pool.close();
      models.close();
      datasets.close();
    },
  };
}
