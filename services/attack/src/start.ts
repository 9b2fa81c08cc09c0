import type { Bus } from '@percept/bus';
import { type ComputePool, createComputePool } from '@percept/compute';
import { DatasetGateway, type Endpoints, ModelGateway, type ServiceParts } from '@percept/gateways';
import { JobQueue, JobRepository, type JobRunner, startJobRunner } from '@percept/jobs';
import type { Store } from '@percept/store';
import type { EngineName } from '@percept/tensor';
import { AttackJobs, attackJobKind } from './attack-jobs.js';
import { attackService } from './attack-service.js';

/** What the attack service runs on. */
export interface StartAttackOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly endpoints: Endpoints;
  /** The engine of the compute workers; absent: native where it can be loaded. */
  readonly engine?: EngineName;
  readonly workers: number;
  readonly threads: number;
  readonly onError: (error: unknown) => void;
}

/** Builds the attack service; its jobs run once `start` is called. */
export async function startAttack(options: StartAttackOptions): Promise<ServiceParts> {
  const { bus, store, endpoints, workers, threads, engine } = options;
  const models = new ModelGateway(endpoints.training);
  const datasets = new DatasetGateway(endpoints.dataset);
  const pool: ComputePool = await createComputePool({
    taskModule: new URL(import.meta.resolve('@percept/attack-service/tasks')),
    workers,
    threads,
    ...(engine ? { engine } : {}),
  });
  const repository = new JobRepository(store);
  const jobs = new AttackJobs({ models, datasets, pool }, store, repository, new JobQueue(repository, bus));
  let runner: JobRunner | undefined;
  return {
    services: [attackService({ models, datasets, pool }, jobs)],
    kinds: [attackJobKind],
    start: () => {
      runner = startJobRunner({
        repository,
        bus,
        handlers: { [attackJobKind]: (context) => jobs.handle(context) },
        concurrency: workers,
        onError: options.onError,
      });
    },
    close: async () => {
      await runner?.close();
      await pool.close();
      models.close();
      datasets.close();
    },
  };
}
