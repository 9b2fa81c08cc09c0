import { type Bus, natsBus } from '@percept/bus';
import type { Endpoints, ServiceParts } from '@percept/gateways';
import { GarbageDuty, JobQueue, JobRepository, jobDependencies, jobsService } from '@percept/jobs';
import {
  type Closable,
  closeAll,
  createMetrics,
  loadServiceSecurity,
  type Metrics,
  type OutboundAllowList,
  runProcess,
  type Security,
  startService,
} from '@percept/platform';
import { openStore, type Store } from '@percept/store';
import type { EngineName } from '@percept/tensor';
import { type JobServiceConfig, jobServiceConfig } from './job-service-config.js';

/** What a service with jobs is built from. */
export interface JobServiceEnvironment {
  readonly bus: Bus;
  readonly store: Store;
  readonly repository: JobRepository;
  readonly queue: JobQueue;
  readonly endpoints: Endpoints;
  readonly security: Security['client'];
  readonly outbound: OutboundAllowList;
  readonly engine?: EngineName;
  readonly workers: number;
  readonly threads: number;
  readonly leaseMs: number;
  readonly metrics: Metrics;
  readonly onError: (error: unknown) => void;
}

/** Which service a process runs. */
export interface JobServiceProcess {
  readonly name: string;
  readonly title: string;
  build(environment: JobServiceEnvironment): Promise<ServiceParts>;
  /** Default: the arguments of this process. `--worker NAME` takes jobs without serving calls. */
  readonly args?: readonly string[];
}

/**
 * The `main` of a service with jobs: opens bus and store, builds the service, mounts it with the Jobs calls of its kinds, queues unfinished jobs again
 * and takes jobs, until a signal. With `--worker` it takes jobs only; health and reflection are served all the same.
 */
export async function runJobService({
  name,
  title,
  build,
  args = process.argv.slice(2),
}: JobServiceProcess): Promise<void> {
  const workerOnly = args.includes('--worker');
  await runProcess<JobServiceConfig>({
    name: workerOnly ? `${name}-worker` : name,
    title,
    config: jobServiceConfig,
    args,
    start: async (config, log) => {
      const onError = (error: unknown): void => log.error({ err: error }, 'a background task failed');
      const security = await loadServiceSecurity(config);
      const owned: Closable[] = [];
      const metrics = createMetrics();
      try {
        const store = await openStore({
          kind: 's3',
          endpoint: config.s3Endpoint,
          bucket: config.s3Bucket,
          accessKey: config.s3AccessKey,
          secretKey: config.s3SecretKey,
        });
        owned.push(store);
        const bus = await natsBus({ servers: [config.natsUrl], onError });
        owned.push(bus);
        const repository = new JobRepository(store);
        const queue = new JobQueue(repository, bus);
        const parts = await build({
          bus,
          store,
          repository,
          queue,
          endpoints: endpointsOf(config),
          security: security.client,
          outbound: config.outbound,
          workers: config.workers,
          threads: config.threads,
          leaseMs: config.lease * 1_000,
          metrics,
          onError,
          ...(config.engine === undefined ? {} : { engine: config.engine }),
        });
        owned.push(parts);
        const jobs = jobsService({ repository, queue, bus, kinds: parts.kinds });
        const server = await startService({
          name,
          host: config.host,
          port: config.port,
          security: security.server,
          metricsPort: config.metricsPort,
          metrics,
          drainMs: config.drainMs,
          logger: log,
          services: workerOnly ? [] : [...parts.services, jobs],
          dependencies: [...jobDependencies({ bus, store }), ...parts.dependencies],
        });
        owned.push(server);
        if (!workerOnly) await queue.requeueUnfinished(parts.kinds, 'may-be-alive');
        parts.start();
        if (!workerOnly) owned.push(new GarbageDuty(repository, { onError }));
        return { close: () => closeAll(owned, log) };
      } catch (error) {
        await closeAll(owned, log);
        throw error;
      }
    },
  });
}

function endpointsOf(config: JobServiceConfig): Endpoints {
  return {
    dataset: config.datasetAddress,
    training: config.trainingAddress,
    attack: config.attackAddress,
    evaluation: config.evaluationAddress,
  };
}
