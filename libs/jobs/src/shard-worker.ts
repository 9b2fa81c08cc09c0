import { setTimeout as sleep } from 'node:timers/promises';
import { type Bus, BusUnavailableError, type WorkItem, type WorkVerdict } from '@percept/bus';
import { beginSpan, parseTraceparent, withTrace } from '@percept/platform';
import { KeyNotFoundError, StoreUnavailableError } from '@percept/store';
import { JobNotFoundError } from './errors.js';
import { JOB_PRIORITIES, type JobPriority, queueOf } from './job-priority.js';
import { isTerminal } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { CorruptPackedValueError, packValue } from './packed-value.js';
import {
  decodeShard,
  FINISHED_KIND,
  PROGRESS_KIND,
  publishShard,
  type ShardMessage,
  shardEvent,
  shardQueue,
} from './shard-message.js';
import { ShardObjects } from './shard-objects.js';

/** Computes one task on this worker's engine. */
export type ShardCompute = (
  task: string,
  input: unknown,
  options: {
    readonly signal: AbortSignal;
    readonly onProgress: (event: unknown) => void;
    readonly priority: JobPriority;
  },
) => Promise<unknown>;

export interface ShardWorkerOptions {
  readonly repository: JobRepository;
  readonly bus: Bus;
  /** Which shards this worker takes, such as `attack`. */
  readonly group: string;
  /** What this worker computes on; shards of other engines are left to others. */
  readonly engine: string;
  readonly compute: ShardCompute;
  /** Shards of one priority at a time. */
  readonly concurrency: number;
  /** How long a shard counts as worked on without a sign of its worker. Default 30,000. */
  readonly leaseMs?: number;
  /** How often a shard may take its worker down before it counts as failed. Default 10. */
  readonly maxDeliveries?: number;
  readonly onError: (error: unknown) => void;
}

const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_MAX_DELIVERIES = 10;
const LOOK_MS = 1_000;
const PROGRESS_MS = 500;
const HAND_BACK_MS = 1_000;
const RETRY_MS = 1_000;

/** Errors of this worker rather than of the shard. */
const OWN_ERRORS = new Set(['WorkerCrashedError', 'PoolClosedError', 'QueueFullError', 'TaskCancelledError']);

/** Takes shards of a group one by one, whichever job they belong to, until it is closed. */
export class ShardWorker {
  readonly #options: ShardWorkerOptions;
  readonly #objects: ShardObjects;
  readonly #closing = new AbortController();
  readonly #loops: Promise<void>[];

  constructor(options: ShardWorkerOptions) {
    this.#options = options;
    this.#objects = new ShardObjects(options.repository.store);
    this.#loops = Array.from({ length: options.concurrency }, () =>
      JOB_PRIORITIES.map((priority) => this.#consume(priority)),
    ).flat();
  }

  /** Takes no further shard and hands the running ones back. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.#loops);
  }

  async #consume(priority: JobPriority): Promise<void> {
    const { bus, group, leaseMs, maxDeliveries, onError } = this.#options;
    try {
      await bus.consume(queueOf(shardQueue(group), priority), (item) => this.#handle(item), {
        signal: this.#closing.signal,
        ackWaitMs: leaseMs ?? DEFAULT_LEASE_MS,
        maxDeliveries: maxDeliveries ?? DEFAULT_MAX_DELIVERIES,
        onExhausted: (item) => this.#giveUp(item),
      });
    } catch (error) {
      onError(error);
    }
  }

  async #handle(item: WorkItem): Promise<WorkVerdict> {
    const { bus, group, engine } = this.#options;
    const message = decodeShard(item.body);
    if (message.engine !== engine) {
      await sleep(HAND_BACK_MS, undefined, { signal: this.#closing.signal }).catch(() => undefined);
      await publishShard(bus, group, message);
      return { verdict: 'ack' };
    }
    if (!(await this.#isWanted(message.job))) {
      return { verdict: 'ack' };
    }
    if (!(await this.#objects.hasOutcome(message.job, message.id))) {
      const verdict = await this.#trace(message, item, () => this.#compute(message));
      if (verdict !== undefined) {
        return verdict;
      }
    }
    await bus.publishEvent(shardEvent(message, FINISHED_KIND, Buffer.from(message.id)));
    return { verdict: 'ack' };
  }

  async #trace<Result>({ job, id }: ShardMessage, item: WorkItem, work: () => Promise<Result>): Promise<Result> {
    const parent = parseTraceparent(item.headers['traceparent']);
    const span = beginSpan(`shard ${this.#options.group}`, 'consumer', parent, {
      'percept.job.id': job,
      'percept.shard.id': id,
    });
    try {
      return await withTrace(span.context, work);
    } finally {
      span.end({ attributes: { 'percept.shard.deliveries': item.deliveries } });
    }
  }

  /** Stores the outcome, or gives a verdict without one. */
  async #compute(message: ShardMessage): Promise<WorkVerdict | undefined> {
    const { job, id } = message;
    const unwanted = new AbortController();
    const signal = AbortSignal.any([unwanted.signal, this.#closing.signal]);
    const look = setInterval(() => {
      this.#isWanted(job).then((wanted) => {
        if (!wanted) {
          unwanted.abort();
        }
      }, this.#options.onError);
    }, LOOK_MS);
    try {
      const { task, input } = await this.#objects.task(job, id);
      const onProgress = this.#progressOf(message);
      const value = await this.#options.compute(task, input, { signal, onProgress, priority: message.priority });
      await this.#objects.finish(job, id, { kind: 'result', value });
      return undefined;
    } catch (error) {
      if (unwanted.signal.aborted) {
        return { verdict: 'ack' };
      }
      if (this.#closing.signal.aborted) {
        return { verdict: 'nak', delayMs: 0 };
      }
      return await this.#fail(message, error);
    } finally {
      clearInterval(look);
    }
  }

  async #fail({ job, id }: ShardMessage, error: unknown): Promise<WorkVerdict | undefined> {
    if (error instanceof KeyNotFoundError || error instanceof CorruptPackedValueError) {
      // The job's worker, once told, finds no outcome, writes the task again and queues it again.
      this.#options.onError(error);
      this.#objects.forgetArrays();
      return undefined;
    }
    const name = error instanceof Error ? error.name : 'Error';
    if (error instanceof StoreUnavailableError || error instanceof BusUnavailableError || OWN_ERRORS.has(name)) {
      this.#options.onError(error);
      return { verdict: 'nak', delayMs: RETRY_MS };
    }
    const message = error instanceof Error ? error.message : String(error);
    await this.#objects.finish(job, id, { kind: 'failure', failure: { name, message } });
    return undefined;
  }

  async #giveUp(item: WorkItem): Promise<void> {
    const message = decodeShard(item.body);
    const reason = `${message.id} took down its worker ${item.deliveries - 1} times`;
    await this.#objects.finish(message.job, message.id, {
      kind: 'failure',
      failure: { name: 'PoisonShardError', message: reason },
    });
    await this.#options.bus.publishEvent(shardEvent(message, FINISHED_KIND, Buffer.from(message.id)));
  }

  async #isWanted(job: string): Promise<boolean> {
    try {
      const { state, cancelRequested } = await this.#options.repository.get(job);
      return !isTerminal(state) && !cancelRequested;
    } catch (error) {
      if (error instanceof JobNotFoundError) {
        return false;
      }
      throw error;
    }
  }

  #progressOf(message: ShardMessage): (event: unknown) => void {
    const sentAt = new Map<unknown, number>();
    return (event) => {
      const now = performance.now();
      const kind = typeof event === 'object' && event !== null && 'kind' in event ? event.kind : undefined;
      if (now - (sentAt.get(kind) ?? Number.NEGATIVE_INFINITY) < PROGRESS_MS) {
        return;
      }
      sentAt.set(kind, now);
      const data = packValue({ id: message.id, event });
      this.#options.bus
        .publishEvent(shardEvent(message, PROGRESS_KIND, data))
        .catch((error: unknown) => this.#options.onError(error));
    };
  }
}
