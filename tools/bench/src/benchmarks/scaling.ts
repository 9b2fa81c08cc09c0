import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import path from 'node:path';
import { type PerceptClient, perceptClient, startDistributed } from '@percept/cli';
import { type ComputePool, createComputePool } from '@percept/compute';
import { AttackOptions, AttackSpec, StopRule } from '@percept/contracts';
import { selectEngine } from '@percept/tensor';
import type { BenchReport } from '../bench-report.js';
import type { BenchOptions } from '../options.js';
import { summarise } from '../summary.js';
import { registerModel } from './hosted-services.js';

const shardImages = 200;
const shardsPerWorker = 4;
const steps = 5;
/** PGD steps that the bare threads share. */
const bareSteps = 120;

/**
 * One attack job of fixed work over 1 to N single-thread worker processes (N: cores, the service's own process among them), over
 * nats-server and an S3 server. Each count takes the job `rounds` times; the median counts. In turn with it, as many bare threads share
 * PGD steps and do nothing else: what the machine itself gains, whose cores may share their parts.
 */
export async function scaling(options: BenchOptions): Promise<BenchReport> {
  const { width, engine, rounds } = options;
  await selectEngine({ threads: 1, ...(engine ? { engine } : {}) });
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-scaling-'));
  const most = availableParallelism();
  const lines: string[] = [];
  const values: Record<string, number> = {};
  const bare = await BareThreads.start(most, options);
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
      let alone = { job: Number.NaN, bare: Number.NaN };
      for (let workers = 1; workers <= most; workers++) {
        if (workers > 1) distributed.startWorker('attack');
        // Loads the model in every worker, and lets a new worker come up.
        await secondsOfJob(client, most * shardImages * 2);
        const jobs: number[] = [];
        const bares: number[] = [];
        for (let round = 0; round < rounds; round++) {
          jobs.push(await secondsOfJob(client, images));
          bares.push(await bare.seconds(workers));
        }
        const { median, min, max } = summarise(jobs);
        const bareMedian = summarise(bares).median;
        if (workers === 1) alone = { job: median, bare: bareMedian };
        const speedup = alone.job / median;
        const bareSpeedup = alone.bare / bareMedian;
        values[`seconds_${workers}`] = median;
        values[`speedup_${workers}`] = speedup;
        values[`bare_speedup_${workers}`] = bareSpeedup;
        lines.push(
          `${workers} workers: ${median.toFixed(2)} s [${min.toFixed(2)}, ${max.toFixed(2)}] for ${images} images x ${steps} steps, ${speedup.toFixed(2)} x one worker (as many bare threads: ${bareMedian.toFixed(2)} s for ${bareSteps} steps of ${options.batch} images, ${bareSpeedup.toFixed(2)} x)`,
        );
      }
      return { lines, values };
    } finally {
      client.close();
      await distributed.close();
    }
  } finally {
    await bare.close();
    await rm(dataFolder, { recursive: true, force: true });
  }
}

/** Single-thread compute workers of this process, without services, that share PGD steps. */
class BareThreads {
  readonly #pools: readonly ComputePool[];

  private constructor(pools: readonly ComputePool[]) {
    this.#pools = pools;
  }

  static async start(count: number, options: BenchOptions): Promise<BareThreads> {
    const pools: ComputePool[] = [];
    try {
      for (let i = 0; i < count; i++) {
        const taskModule = new URL('../step-tasks.js', import.meta.url);
        const { engine } = options;
        const pool = await createComputePool({ taskModule, threads: 1, ...(engine === undefined ? {} : { engine }) });
        pools.push(pool);
        await pool.run('prepare', options);
      }
      return new BareThreads(pools);
    } catch (error) {
      await Promise.all(pools.map((pool) => pool.close()));
      throw error;
    }
  }

  async seconds(threads: number): Promise<number> {
    const started = performance.now();
    await Promise.all(this.#pools.slice(0, threads).map((pool) => pool.run('pgdSteps', bareSteps / threads)));
    return (performance.now() - started) / 1_000;
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
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
