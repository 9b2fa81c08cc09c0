import type { Bus } from '@percept/bus';
import type { StatusName } from '@percept/contracts';
import type { Store } from '@percept/store';
import { JobFailedError } from './errors.js';
import type { JobContext } from './job-handler.js';
import { CorruptPackedValueError, unpackValue } from './packed-value.js';
import { FINISHED_KIND, PROGRESS_KIND, publishShard, shardEvents } from './shard-message.js';
import { type PackedShard, ShardObjects, type ShardOutcome } from './shard-objects.js';

export interface ShardGatheringOptions {
  readonly bus: Bus;
  readonly store: Store;
  readonly group: string;
  /** What the shards have to run on. */
  readonly engine: string;
  readonly onError: (error: unknown) => void;
}

export interface ShardRunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: unknown) => void;
}

interface Waiting {
  readonly onProgress: ((event: unknown) => void) | undefined;
  settle(outcome: ShardOutcome): void;
  /** Writes the task again and queues it again. */
  repeat(): Promise<void>;
  repeatedAt: number;
  repeats: number;
}

const POLL_MS = 1_000;
/** A shard without an outcome for this long is queued once more, in case the bus or the store lost it. */
const REPEAT_MS = 120_000;
const MAX_REPEATS = 10;
const RESUBSCRIBE_MS = 1_000;
const CHECKPOINT_MS = 1_000;

const CODES: Readonly<Record<string, StatusName>> = { PoisonShardError: 'ABORTED', LostShardError: 'DATA_LOSS' };

/** Spreads the tasks of one attempt at a job over all workers of a group and gathers their results. */
export class ShardGathering {
  readonly #options: ShardGatheringOptions;
  readonly #context: JobContext;
  readonly #objects: ShardObjects;
  readonly #waiting = new Map<string, Waiting>();
  readonly #running = new Map<string, Promise<ShardOutcome>>();
  readonly #storedArrays = new Set<string>();
  readonly #closing = new AbortController();
  readonly #following: Promise<void>[];
  #gathered = 0;
  #checkpointedAt = Number.NEGATIVE_INFINITY;
  #checkpointing: Promise<void> = Promise.resolve();

  private constructor(context: JobContext, options: ShardGatheringOptions) {
    this.#options = options;
    this.#context = context;
    this.#objects = new ShardObjects(options.store);
    this.#following = [this.#follow(), this.#poll()];
  }

  /** Runs `work` with a gathering of its own, which ends with it. */
  static async during<Result>(
    context: JobContext,
    options: ShardGatheringOptions,
    work: (gathering: ShardGathering) => Promise<Result>,
  ): Promise<Result> {
    await context.checkpoint.load();
    const gathering = new ShardGathering(context, options);
    try {
      return await work(gathering);
    } finally {
      await gathering.#close();
    }
  }

  /**
   * What `task` gives for `input`, computed by whichever worker takes it, or by an earlier attempt at the job.
   *
   * @throws JobFailedError when the task fails, whoever computes it; the reason of the job's signal once it fires.
   */
  async run<Output = unknown>(task: string, input: unknown, options: ShardRunOptions = {}): Promise<Output> {
    const { job, signal } = this.#context;
    signal.throwIfAborted();
    options.signal?.throwIfAborted();
    const shard = this.#objects.pack(task, input);
    // Equal tasks of one job are one shard.
    const running = this.#running.get(shard.id) ?? this.#outcome(job.id, shard, options);
    this.#running.set(shard.id, running);
    const outcome = await running.finally(() => this.#running.delete(shard.id));
    if (outcome.kind === 'failure') {
      const { name, message } = outcome.failure;
      throw new JobFailedError(CODES[name] ?? 'INTERNAL', message);
    }
    await this.#noteProgress();
    return outcome.value as Output;
  }

  async #outcome(job: string, shard: PackedShard, options: ShardRunOptions): Promise<ShardOutcome> {
    return (await this.#stored(shard.id)) ?? (await this.#wait(job, shard, options));
  }

  async #wait(job: string, shard: PackedShard, options: ShardRunOptions): Promise<ShardOutcome> {
    const { bus, group, engine } = this.#options;
    const priority = this.#context.job.priority ?? 'batch';
    const signals = [this.#context.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const signal = AbortSignal.any(signals);
    const send = async (known: Set<string>): Promise<void> => {
      await shard.put(job, known);
      await publishShard(bus, group, { job, id: shard.id, engine, priority });
    };
    let onAbort = (): void => undefined;
    try {
      const settled = new Promise<ShardOutcome>((resolve, reject) => {
        onAbort = () => reject(signal.reason);
        // An aborted signal tells nobody again, and it may have fired since `run` looked.
        if (signal.aborted) onAbort();
        else signal.addEventListener('abort', onAbort, { once: true });
        this.#waiting.set(shard.id, {
          onProgress: options.onProgress,
          settle: resolve,
          repeat: () => send(new Set()),
          repeatedAt: performance.now(),
          repeats: 0,
        });
      });
      // Whoever awaits `settled` below sees the rejection; `send` may throw first.
      settled.catch(() => undefined);
      if (!signal.aborted) await send(this.#storedArrays);
      return await settled;
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.#waiting.delete(shard.id);
    }
  }

  async #stored(id: string): Promise<ShardOutcome | undefined> {
    try {
      return await this.#objects.outcome(this.#context.job.id, id);
    } catch (error) {
      if (!(error instanceof CorruptPackedValueError)) {
        throw error;
      }
      this.#options.onError(error);
      return undefined;
    }
  }

  async #look(id: string): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) {
      return;
    }
    const outcome = await this.#stored(id);
    if (outcome !== undefined) {
      waiting.settle(outcome);
      return;
    }
    waiting.repeats += 1;
    if (waiting.repeats > MAX_REPEATS) {
      const message = `the stored task or outcome of ${id} was corrupt or missing ${MAX_REPEATS} times`;
      waiting.settle({ kind: 'failure', failure: { name: 'LostShardError', message } });
      return;
    }
    waiting.repeatedAt = performance.now();
    await waiting.repeat();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const filter = { job: shardEvents(this.#context.job.id) };
        for await (const { kind, data } of await this.#options.bus.subscribeEvents(filter, { from: 'now', signal })) {
          if (kind === FINISHED_KIND) {
            await this.#look(Buffer.from(data).toString());
          } else if (kind === PROGRESS_KIND) {
            const { id, event } = (await unpackValue(data)) as { id: string; event: unknown };
            this.#waiting.get(id)?.onProgress?.(event);
          }
        }
      } catch (error) {
        // Polling finds what the bus does not tell.
        this.#options.onError(error);
        await pause(RESUBSCRIBE_MS, signal);
      }
    }
  }

  async #poll(): Promise<void> {
    const { signal } = this.#closing;
    for (;;) {
      await pause(POLL_MS, signal);
      if (signal.aborted) {
        return;
      }
      try {
        await this.#lookAtAll();
      } catch (error) {
        this.#options.onError(error);
      }
    }
  }

  async #lookAtAll(): Promise<void> {
    if (this.#waiting.size === 0) {
      return;
    }
    const finished = await this.#objects.finished(this.#context.job.id);
    for (const [id, waiting] of this.#waiting) {
      if (finished.has(id)) {
        await this.#look(id);
      } else if (performance.now() - waiting.repeatedAt > REPEAT_MS) {
        waiting.repeatedAt = performance.now();
        await waiting.repeat();
      }
    }
  }

  /** A checkpoint says that the job gets on: interruptions before it no longer count. */
  async #noteProgress(): Promise<void> {
    this.#gathered += 1;
    const now = performance.now();
    if (now - this.#checkpointedAt < CHECKPOINT_MS) {
      return;
    }
    this.#checkpointedAt = now;
    const saved = this.#checkpointing.then(() =>
      this.#context.checkpoint.save(Buffer.from(JSON.stringify({ gathered: this.#gathered }))),
    );
    this.#checkpointing = saved.catch(() => undefined);
    await saved;
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#following);
  }
}

async function pause(timeMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) {
    return;
  }
  await new Promise<void>((resolve) => {
    const wake = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', wake);
      resolve();
    };
    const timer = setTimeout(wake, timeMs);
    signal.addEventListener('abort', wake, { once: true });
  });
}
