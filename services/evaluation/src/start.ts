import type { Bus } from '@percept/bus';
import { createComputePool } from '@percept/compute';
import { DatasetGateway, type Endpoints, ModelGateway, type ServiceParts } from '@percept/gateways';
import { JobQueue, JobRepository, type JobRunner, startJobRunner } from '@percept/jobs';
import type { Store } from '@percept/store';
import type { EngineName } from '@percept/tensor';
import { EvaluationJobs, evaluationJobKinds } from './evaluation-jobs.js';
import { evaluationService } from './evaluation-service.js';
import { Reports } from './reports.js';

/** What the evaluation service runs on. */
export interface StartEvaluationOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly endpoints: Endpoints;
  /** The engine of the compute workers; absent: native where it can be loaded. */
  readonly engine?: EngineName;
  readonly workers: number;
  readonly threads: number;
  readonly onError: (error: unknown) => void;
}

/** Builds the evaluation service; its jobs run once `start` is called. */
export async function startEvaluation(options: StartEvaluationOptions): Promise<ServiceParts> {
  const { bus, store, endpoints, workers, threads, engine } = options;
  const models = new ModelGateway(endpoints.training);
  const datasets = new DatasetGateway(endpoints.dataset);
  const pool = await createComputePool({
    taskModule: new URL(import.meta.resolve('@percept/evaluation-service/tasks')),
    workers,
    threads,
    queueLimit: 1_024,
    ...(engine ? { engine } : {}),
  });
  const repository = new JobRepository(store);
  const reports = new Reports(store);
  const jobs = new EvaluationJobs({ models, datasets, pool, store }, reports, workers);
  let runner: JobRunner | undefined;
  return {
    services: [evaluationService(new JobQueue(repository, bus), reports)],
    kinds: evaluationJobKinds,
    start: () => {
      runner = startJobRunner({ repository, bus, handlers: jobs.handlers, onError: options.onError });
    },
    close: async () => {
      await runner?.close();
      await pool.close();
      models.close();
      datasets.close();
    },
  };
}
