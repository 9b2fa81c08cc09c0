import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { type PerceptClient, perceptClient, startDistributed } from '@percept/cli';
import { AttackOptions, AttackSpec, StopRule } from '@percept/contracts';
import { selectEngine } from '@percept/tensor';
import type { BenchReport } from '../bench-report.js';
import type { BenchOptions } from '../options.js';
import { registerModel } from './hosted-services.js';

const shardImages = 200;
const shardsPerWorker = 4;
const steps = 5;

/**
 * One attack job of fixed work over 1 to N single-thread worker processes (N: cores, the service's own process among them), over
 * nats-server and an S3 server. Each count takes the job `rounds` times; the median counts.
 */
export async function scaling({ width, engine, rounds }: BenchOptions): Promise<BenchReport> {
  await selectEngine({ threads: 1, ...(engine ? { engine } : {}) });
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-scaling-'));
  const most = availableParallelism();
  const lines: string[] = [];
  const values: Record<string, number> = {};
  try {
    const distributed = await startDistributed({
      dataFolder,
      host: '127.0.0.1',
      workers: 1,
      threads: 1,
      attackWorkers: 0,
      dashboard: undefined,
      logLevel: 'error',
      ...(engine ? { engine } : {}),
    });
    const client = perceptClient(distributed.endpoints);
    try {
      await registerModel({ client }, 'bench', width);
      const images = most * shardsPerWorker * shardImages;
      let alone = Number.NaN;
      for (let workers = 1; workers <= most; workers++) {
        if (workers > 1) distributed.startWorker('attack');
        // Loads the model in every worker, and lets a new worker come up.
        await secondsOfJob(client, most * shardImages * 2);
        const seconds: number[] = [];
        for (let round = 0; round < rounds; round++) seconds.push(await secondsOfJob(client, images));
        seconds.sort((a, b) => a - b);
        const median = seconds[seconds.length >> 1] as number;
        if (workers === 1) alone = median;
        values[`seconds_${workers}`] = median;
        values[`speedup_${workers}`] = alone / median;
        lines.push(
          `${workers} workers: ${median.toFixed(2)} s [${seconds[0]?.toFixed(2)}, ${seconds.at(-1)?.toFixed(2)}] for ${images} images x ${steps} steps, ${(alone / median).toFixed(2)} x one worker`,
        );
      }
      return { lines, values };
    } finally {
      client.close();
      await distributed.close();
    }
  } finally {
    await rm(dataFolder, { recursive: true, force: true });
  }
}

async function secondsOfJob(client: PerceptClient, images: number): Promise<number> {
  const spec = AttackSpec.fromPartial({
    model: { reference: { $case: 'registered', value: 'bench' } },
    images: { source: { $case: 'samples', value: { dataset: 'mnist-5k', split: 'train', count: images } } },
    goal: { $case: 'targeted', value: { targets: [3] } },
    options: AttackOptions.fromPartial({ epsilon: 8 / 255, steps, stop: StopRule.ALL_STEPS }),
  });
  const started = performance.now();
  const { job } = await client.attack.submit({ requestId: '', spec });
  const jobs = client.jobs('attack');
  for await (const _ of jobs.watch({ jobId: job?.id ?? '', afterSequence: 0, follow: true }));
  const ended = (await jobs.get({ jobId: job?.id ?? '' })).job;
  if (ended?.error !== undefined) throw new Error(`the attack job failed: ${ended.error.message}`);
  return (performance.now() - started) / 1_000;
}
