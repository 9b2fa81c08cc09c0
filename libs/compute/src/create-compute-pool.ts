import type { EngineInfo } from '@percept/tensor';
import type { ComputePool, ComputePoolOptions, ComputePoolStatus, RunOptions, TaskPriority } from './compute-pool.js';
import { ComputeWorker, type TaskCall } from './compute-worker.js';
import { PoolClosedError, TaskCancelledError, WorkerStartError } from './errors.js';
import { TaskQueue } from './task-queue.js';
import type { WorkerSetup } from './worker-messages.js';

const DEFAULT_QUEUE_LIMIT = 64;
const CLOSE_GRACE_MS = 5_000;
const DEFAULT_CANCEL_GRACE_MS = 10_000;

/**
 * Starts the workers and waits until each has its engine and the task module.
 *
 * @throws WorkerStartError, RangeError for less than one worker.
 */
export async function createComputePool(options: ComputePoolOptions): Promise<ComputePool> {
  const workers = options.workers ?? 1;
  if (!Number.isInteger(workers) || workers < 1) {
    throw new RangeError(`workers must be a positive integer, got ${workers}`);
  }
  const pool = new ThreadComputePool(options, workers);
  try {
    await pool.start();
    return pool;
  } catch (error) {
    await pool.close();
    throw error;
  }
}

interface Waiting {
  readonly call: TaskCall;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
  /** Told when a worker takes the task: from then on the worker watches the signal. */
  readonly begins: () => void;
}

class ThreadComputePool implements ComputePool {
  readonly #setup: WorkerSetup;
  readonly #size: number;
  readonly #cancelGraceMs: number;
  readonly #queue: TaskQueue<Waiting>;
  readonly #idle: ComputeWorker[] = [];
  readonly #workers = new Set<ComputeWorker>();
  #engine: EngineInfo | undefined;
  #lastId = 0;
  #busy = 0;
  #starting = 0;
  #isClosed = false;

  constructor(options: ComputePoolOptions, size: number) {
    this.#size = size;
    this.#cancelGraceMs = options.cancelGraceMs ?? DEFAULT_CANCEL_GRACE_MS;
    this.#queue = new TaskQueue(options.queueLimit ?? DEFAULT_QUEUE_LIMIT);
    this.#setup = {
      taskModule: options.taskModule.href,
      ...(options.engine === undefined ? {} : { engine: options.engine }),
      ...(options.threads === undefined ? {} : { threads: options.threads }),
    };
  }

  get engine(): EngineInfo {
    if (this.#engine === undefined) {
      throw new WorkerStartError('no compute worker has started');
    }
    return this.#engine;
  }

  get status(): ComputePoolStatus {
    return { workers: this.#size, alive: this.#workers.size, busy: this.#busy, waiting: this.#queue.waiting };
  }

  checkRoom(priority: TaskPriority): void {
    this.#queue.checkRoom(priority);
  }

  async start(): Promise<void> {
    const starts = await Promise.allSettled(Array.from({ length: this.#size }, () => this.#startWorker()));
    for (const start of starts) {
      if (start.status === 'rejected') {
        throw start.reason;
      }
    }
  }

  async run<Output = unknown>(task: string, input: unknown, options: RunOptions = {}): Promise<Output> {
    const { signal } = options;
    if (this.#isClosed) {
      throw new PoolClosedError();
    }
    if (signal?.aborted === true) {
      throw new TaskCancelledError({ cause: signal.reason });
    }
    this.#lastId += 1;
    const call: TaskCall = { id: this.#lastId, task, input, signal, onProgress: options.onProgress };
    let abandon = () => {};
    try {
      const output = await new Promise<unknown>((resolve, reject) => {
        const begins = (): void => signal?.removeEventListener('abort', abandon);
        const waiting: Waiting = { call, resolve, reject, begins };
        abandon = () => {
          if (this.#queue.remove(waiting)) {
            reject(new TaskCancelledError({ cause: signal?.reason }));
          }
        };
        this.#queue.add(waiting, options.priority ?? 'interactive');
        signal?.addEventListener('abort', abandon, { once: true });
        this.#dispatch();
      });
      return output as Output;
    } finally {
      signal?.removeEventListener('abort', abandon);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (let waiting = this.#queue.take(); waiting !== undefined; waiting = this.#queue.take()) {
      waiting.reject(new PoolClosedError());
    }
    await Promise.all([...this.#workers].map((worker) => worker.close(CLOSE_GRACE_MS)));
  }

  #dispatch(): void {
    for (let worker = this.#idle.pop(); worker !== undefined; worker = this.#idle.pop()) {
      if (!worker.isAlive) {
        // It crashed between two tasks.
        this.#workers.delete(worker);
        continue;
      }
      const waiting = this.#queue.take();
      if (waiting === undefined) {
        this.#idle.push(worker);
        return;
      }
      void this.#perform(worker, waiting);
    }
    const { interactive, job } = this.#queue.waiting;
    if (interactive + job > 0) {
      this.#replaceLost();
    }
  }

  async #perform(worker: ComputeWorker, { call, resolve, reject, begins }: Waiting): Promise<void> {
    this.#busy += 1;
    begins();
    try {
      resolve(await worker.run(call));
    } catch (error) {
      reject(error);
    }
    this.#busy -= 1;
    if (worker.isAlive) {
      this.#idle.push(worker);
    } else {
      this.#workers.delete(worker);
      this.#replaceLost();
    }
    this.#dispatch();
  }

  /** Starts workers in the place of crashed ones; when none can start, those who wait are told why. */
  #replaceLost(): void {
    while (!this.#isClosed && this.#workers.size + this.#starting < this.#size) {
      this.#startWorker().then(
        () => this.#dispatch(),
        (error: unknown) => {
          if (this.#workers.size > 0) {
            return;
          }
          for (let waiting = this.#queue.take(); waiting !== undefined; waiting = this.#queue.take()) {
            waiting.reject(error);
          }
        },
      );
    }
  }

  async #startWorker(): Promise<void> {
    const worker = new ComputeWorker(this.#setup, this.#cancelGraceMs);
    this.#starting += 1;
    try {
      this.#engine = await worker.started();
      if (this.#isClosed) {
        throw new PoolClosedError();
      }
      this.#workers.add(worker);
      this.#idle.push(worker);
    } catch (error) {
      await worker.close(0);
      throw error;
    } finally {
      this.#starting -= 1;
    }
  }
}
