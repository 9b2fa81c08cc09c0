import type { Bus } from '@percept/bus';
import { createComputePool } from '@percept/compute';
import type { ClientSecurity } from '@percept/contracts';
import { computeDependency, DatasetGateway, type Endpoints, type ServiceParts } from '@percept/gateways';
import { type JobQueue, type JobRepository, type JobRunner, startJobRunner } from '@percept/jobs';
import type { Metrics } from '@percept/platform';
import type { Store } from '@percept/store';
import type { EngineName } from '@percept/tensor';
import { trainingJob, trainingJobKind } from './job-training.js';
import { ModelRegistry } from './model-registry.js';
import { modelsService } from './models-service.js';
import { trainingService } from './training-service.js';

/** What the training service runs on. */
export interface StartTrainingOptions {
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
  /** Trainings at a time, each in a compute worker of its own. */
  readonly workers: number;
  readonly threads: number;
  /** How long a job counts as alive without a sign of its worker. Default 30,000. */
  readonly leaseMs?: number;
  /** Where jobs are counted. Default: nowhere. */
  readonly metrics?: Pick<Metrics, 'jobStarted'>;
  readonly onError: (error: unknown) => void;
}

/** Builds Training and Models; jobs run once `start` is called. */
export async function startTraining(options: StartTrainingOptions): Promise<ServiceParts> {
  const { bus, store, repository, queue, endpoints, workers, threads, engine, onError } = options;
  const pool = await createComputePool({
    taskModule: new URL(import.meta.resolve('@percept/training-service/tasks')),
    workers,
    threads,
    ...(engine ? { engine } : {}),
  });
  const datasets = new DatasetGateway(endpoints.dataset, options.security);
  const registry = new ModelRegistry(store);
  const dependencies = {
    datasets,
    registry,
    pool,
    datasetAddress: endpoints.dataset,
    security: options.security ?? {},
  };
  let runner: JobRunner | undefined;
  return {
    services: [trainingService({ datasets, registry }, queue), modelsService(registry)],
    kinds: [trainingJobKind],
    dependencies: [computeDependency(pool)],
    start: () => {
      runner ??= startJobRunner({
        ...(options.metrics ? { observe: options.metrics.jobStarted } : {}),
        repository,
        bus,
        handlers: { [trainingJobKind]: (context) => trainingJob(context, dependencies) },
        concurrency: workers,
        onError,
        ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
      });
    },
    close: async () => {
      await runner?.close();
      await pool.close();
      datasets.close();
    },
  };
}
