import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Bus, memoryBus } from '@percept/bus';
import {
  createClient,
  type Job,
  type JobEvent,
  JobsService,
  jobStateToJSON,
  ModelsService,
  type ServiceClient,
  TrainingService,
  TrainingSpec,
} from '@percept/contracts';
import { type ServiceParts, sharedEndpoint } from '@percept/gateways';
import { JobQueue, JobRepository, jobsService } from '@percept/jobs';
import { createLogger, type RunningService, startService } from '@percept/platform';
import { filesystemStore, type Store } from '@percept/store';
import { startTraining } from '../src/start.js';
import type { SyntheticDataset } from './synthetic-dataset.js';

const logger = createLogger('test', { level: 'silent' });

/** Bus and store of a test, which outlive the services on them. */
export interface Ground {
  readonly bus: Bus;
  readonly store: Store;
  close(): Promise<void>;
}

export async function ground(): Promise<Ground> {
  const folder = await mkdtemp(path.join(tmpdir(), 'percept-training-'));
  const store = await filesystemStore(path.join(folder, 'store'));
  const bus = memoryBus();
  return {
    bus,
    store,
    close: async () => {
      await bus.close();
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

/** Training, Models, Jobs and a data set, served on free ports. */
export interface StartedTraining {
  readonly training: ServiceClient<typeof TrainingService>;
  readonly models: ServiceClient<typeof ModelsService>;
  readonly jobs: ServiceClient<typeof JobsService>;
  readonly errors: unknown[];
  close(): Promise<void>;
}

export async function startedTraining({ bus, store }: Ground, dataset: SyntheticDataset): Promise<StartedTraining> {
  const errors: unknown[] = [];
  const datasetServer = await startService({ name: 'dataset', services: [dataset.service], logger });
  const repository = new JobRepository(store);
  const queue = new JobQueue(repository, bus);
  const parts: ServiceParts = await startTraining({
    bus,
    store,
    repository,
    queue,
    endpoints: sharedEndpoint(datasetServer.address),
    engine: 'cpu',
    workers: 1,
    threads: 1,
    onError: (error) => errors.push(error),
  });
  const server: RunningService = await startService({
    name: 'training',
    services: [...parts.services, jobsService({ repository, queue, bus, kinds: parts.kinds })],
    logger,
  });
  await queue.requeueUnfinished(parts.kinds, 'are-orphans');
  parts.start();
  const clients = [
    createClient(TrainingService, server.address),
    createClient(ModelsService, server.address),
    createClient(JobsService, server.address),
  ] as const;
  return {
    training: clients[0],
    models: clients[1],
    jobs: clients[2],
    errors,
    close: async () => {
      for (const client of clients) client.close();
      await server.close();
      await parts.close();
      await datasetServer.close();
    },
  };
}

/** A training small enough for a test. */
export function smallSpec(changes: Partial<TrainingSpec> = {}): TrainingSpec {
  return TrainingSpec.fromPartial({
    recipe: 'standard',
    preset: 'quickstart',
    dataset: 'blobs',
    width: 1,
    blocks: [1, 1, 1, 1],
    epochs: 2,
    batchSize: 8,
    seed: 3,
    ...changes,
  });
}

/** Follows a job to its end; gives it and everything that happened. */
export async function finished(started: StartedTraining, jobId: string): Promise<{ job: Job; events: JobEvent[] }> {
  const events: JobEvent[] = [];
  for await (const { event } of started.jobs.watch({ jobId, afterSequence: 0, follow: true })) {
    if (event) events.push(event);
  }
  const { job } = await started.jobs.get({ jobId });
  return { job: job as Job, events };
}

export function stateOf(job: Job | undefined): string {
  const state = jobStateToJSON(job?.state ?? 0).replace('JOB_STATE_', '');
  return job?.error ? `${state} ${job.error.code}: ${job.error.message}` : state;
}
