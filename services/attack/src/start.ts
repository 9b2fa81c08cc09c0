import type { Bus } from '@percept/bus';
import { type ComputePool, createComputePool, type RunOptions } from '@percept/compute';
import type { ClientSecurity } from '@percept/contracts';
import { computeDependency, DatasetGateway, type Endpoints, ModelGateway, type ServiceParts } from '@percept/gateways';
import {
  type JobQueue,
  type JobRepository,
  type JobRunner,
  ShardGathering,
  ShardWorker,
  startJobRunner,
} from '@percept/jobs';
import type { Metrics, OutboundAllowList } from '@percept/platform';
import type { Store } from '@percept/store';
import { type EngineName, engineFingerprint } from '@percept/tensor';
import { AttackJobs, attackJobKind } from './attack-jobs.js';
import { attackService } from './attack-service.js';

/** What the attack service runs on. */
export interface StartAttackOptions {
  readonly bus: Bus;
  readonly store: Store;
  /** The jobs of this store, and how they are queued on this bus. */
  readonly repository: JobRepository;
  readonly queue: JobQueue;
  readonly endpoints: Endpoints;
  /** How it shows other services who it is. Default: no TLS and no token. */
  readonly security?: ClientSecurity;
  /** Where models behind inference endpoints may be. Default: nowhere. */
  readonly outbound?: OutboundAllowList;
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

/** Builds the attack service; its jobs run once `start` is called. */
export async function startAttack(options: StartAttackOptions): Promise<ServiceParts> {
  const { bus, store, repository, queue, endpoints, workers, threads, engine } = options;
  const models = new ModelGateway(endpoints.training, options.security);
  const datasets = new DatasetGateway(endpoints.dataset, options.security);
  const pool: ComputePool = await createComputePool({
    taskModule: new URL(import.meta.resolve('@percept/attack-service/tasks')),
    workers,
    threads,
    ...(engine ? { engine } : {}),
  });
  const sharing = { bus, store, group: 'attack', engine: engineFingerprint(pool.engine), onError: options.onError };
  const lease = options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs };
  const { authorities } = options.security?.tls ?? {};
  const dependencies = {
    models,
    datasets,
    store,
    pool,
    outbound: options.outbound ?? [],
    outboundTls: authorities === undefined ? {} : { authorities },
  };
  const jobs = new AttackJobs(dependencies, repository, queue);
  let runner: JobRunner | undefined;
  let shardWorker: ShardWorker | undefined;
  return {
    services: [attackService(dependencies, jobs)],
    kinds: [attackJobKind],
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
      runner = startJobRunner({
        ...lease,
        ...(options.metrics ? { observe: options.metrics.jobStarted } : {}),
        repository,
        bus,
        handlers: {
          [attackJobKind]: (context) =>
            ShardGathering.during(context, sharing, (shards) =>
              jobs.handle(context, {
                engine: pool.engine,
                run: <Output>(task: string, input: unknown, how?: RunOptions) => shards.run<Output>(task, input, how),
              }),
            ),
        },
        concurrency: workers,
        onError: options.onError,
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
