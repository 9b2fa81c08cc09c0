import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Embedded, type PerceptClient, perceptClient, startEmbedded } from '@percept/cli';
import { fileChunks, ModelFormat, type ModelsImportRequest, TrainingSpec } from '@percept/contracts';
import { PreActResNet } from '@percept/models';
import { writeSafetensors } from '@percept/tensor';
import type { BenchOptions } from '../options.js';
import { specOf } from '../step-work.js';

/** Services in their embedded form with a client, over a folder that goes with them. */
export interface HostedServices {
  readonly address: string;
  readonly client: PerceptClient;
  close(): Promise<void>;
}

/** Starts every service in this process; calls travel over the loopback interface all the same. */
export async function hostServices({ threads, engine }: BenchOptions): Promise<HostedServices> {
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-bench-'));
  let embedded: Embedded | undefined;
  try {
    embedded = await startEmbedded({
      dataFolder,
      host: '127.0.0.1',
      port: 0,
      workers: 1,
      threads,
      dashboard: undefined,
      logLevel: 'error',
      ...(engine ? { engine } : {}),
    });
  } catch (error) {
    await rm(dataFolder, { recursive: true, force: true });
    throw error;
  }
  const running = embedded;
  const client = perceptClient(running.endpoints);
  return {
    address: running.endpoints.attack,
    client,
    close: async () => {
      client.close();
      await running.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}

/** Registers a fresh PreActResNet18 of the asked width under a name. Needs an engine in this thread. */
export async function registerModel(
  { client }: Pick<HostedServices, 'client'>,
  name: string,
  width: number,
): Promise<void> {
  const spec = specOf(width);
  const model = PreActResNet.initialise(spec, 0);
  const bytes = writeSafetensors(model.toTensors());
  model.dispose();
  const header = {
    requestId: '',
    name,
    format: ModelFormat.SAFETENSORS,
    spec: { ...spec, blocks: [...spec.blocks], mean: [...spec.mean], std: [...spec.std] },
    classNames: [],
    description: '',
    sizeBytes: bytes.byteLength,
    sha256: '',
  };
  const parts = function* (): Generator<ModelsImportRequest> {
    yield { part: { $case: 'header', value: header } };
    for (const chunk of fileChunks('weights.safetensors', bytes)) yield { part: { $case: 'chunk', value: chunk } };
  };
  await client.models.import(parts());
}

/** Submits an adversarial training that outlasts any benchmark and waits until its steps are under way. Answers with the job's id. */
export async function startTraining({ client }: HostedServices, { width, batch }: BenchOptions): Promise<string> {
  const spec = TrainingSpec.fromPartial({
    recipe: 'pgd',
    preset: 'quickstart',
    dataset: 'mnist-5k',
    width,
    batchSize: batch,
    epochs: 1_000,
    registerAs: 'load',
  });
  const { job } = await client.training.submit({ requestId: '', spec });
  const jobId = job?.id ?? '';
  for await (const { event } of client.jobs('training').watch({ jobId, afterSequence: 0, follow: true }))
    if (event?.event?.$case === 'progress') return jobId;
  throw new Error('the training ended before it began');
}

/** Cancels a job and resolves, with the milliseconds that it took, once the job says it is cancelled. */
export async function cancelJob({ client }: HostedServices, jobId: string): Promise<number> {
  const jobs = client.jobs('training');
  const started = performance.now();
  await jobs.cancel({ jobId, requestId: '' });
  for await (const _ of jobs.watch({ jobId, afterSequence: 0, follow: true }));
  return performance.now() - started;
}
