import { type ComputePool, createComputePool } from '@percept/compute';
import { type Samples, selectSamples } from '@percept/measures';
import type { EngineInfo } from '@percept/tensor';
import type { AttackCost } from './attack-peer.js';
import type { PartOutcome } from './attack-tasks.js';
import type { ExportedModel } from './exported-model.js';
import type { BenchOptions } from './options.js';

/** What our side made of all images. */
export interface SharedOutcome {
  readonly standing: readonly number[];
  readonly cost: AttackCost;
}

/** Our side of an attack benchmark: single-thread workers, one per thread asked for, each with its model and its share of the images, as the services use a machine. */
export class AttackWorkers {
  readonly #pools: readonly ComputePool[];

  private constructor(pools: readonly ComputePool[]) {
    this.#pools = pools;
  }

  /** Starts the workers and loads the model in each. */
  static async start(model: ExportedModel, { threads, engine }: BenchOptions): Promise<AttackWorkers> {
    const taskModule = new URL('./attack-tasks.js', import.meta.url);
    const pools: ComputePool[] = [];
    try {
      for (let i = 0; i < threads; i++) {
        const pool = await createComputePool({ taskModule, threads: 1, ...(engine === undefined ? {} : { engine }) });
        pools.push(pool);
        await pool.run('load', { spec: model.spec, weights: model.weights });
      }
      return new AttackWorkers(pools);
    } catch (error) {
      await Promise.all(pools.map((pool) => pool.close()));
      throw error;
    }
  }

  get engine(): EngineInfo {
    return (this.#pools[0] as ComputePool).engine;
  }

  /** Runs `task` of attack-tasks on every n-th image in each of n workers, and adds up what they say; no result depends on n. */
  async run(task: string, images: Samples, settings: object): Promise<SharedOutcome> {
    const started = performance.now();
    const before = process.cpuUsage();
    const outcomes = await Promise.all(
      this.#pools.map((pool, i) =>
        pool.run<PartOutcome>(task, { part: everyNth(images, i, this.#pools.length), ...settings }),
      ),
    );
    const { user, system } = process.cpuUsage(before);
    const sum = (pick: (outcome: PartOutcome) => number): number =>
      outcomes.reduce((total, outcome) => total + pick(outcome), 0);
    return {
      standing: (outcomes[0] as PartOutcome).standing.map((_, i) => sum(({ standing }) => standing[i] as number)),
      cost: {
        seconds: (performance.now() - started) / 1000,
        processorSeconds: (user + system) / 1e6,
        gradientImageSteps: sum(({ gradientImageSteps }) => gradientImageSteps),
        forwardImagePasses: sum(({ forwardImagePasses }) => forwardImagePasses),
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#pools.map((pool) => pool.close()));
  }
}

/** Images first, first + n, first + 2n, ...; neighbours differ less in difficulty than the ends of a data set may. */
function everyNth(images: Samples, first: number, n: number): Samples {
  return selectSamples(
    images,
    Array.from(images.ids.keys()).filter((position) => position % n === first),
  );
}
