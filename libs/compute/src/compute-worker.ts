import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { EngineInfo } from '@percept/tensor';
import { createCancelFlag, raiseCancelFlag } from './cancel-flag.js';
import {
  TaskCancelledError,
  TaskFailedError,
  UnknownTaskError,
  WorkerCrashedError,
  WorkerStartError,
} from './errors.js';
import { Transferring } from './task.js';
import type { FromWorker, ToWorker, WorkerSetup } from './worker-messages.js';

/** A task on its way through a worker. */
export interface TaskCall {
  readonly id: number;
  readonly task: string;
  readonly input: unknown;
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((event: unknown) => void) | undefined;
}

interface Running {
  readonly call: TaskCall;
  readonly cancelFlag: SharedArrayBuffer;
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** One thread with its engine; runs one task at a time and is used up once it has crashed. */
export class ComputeWorker {
  readonly #worker: Worker;
  readonly #started: Promise<EngineInfo>;
  readonly #exited: Promise<void>;
  readonly #cancelGraceMs: number;
  #running: Running | undefined;
  #isAlive = true;
  #failure: Error | undefined;

  /** `cancelGraceMs`: how long a cancelled task may go on before the thread is ended under it. */
  constructor(setup: WorkerSetup, cancelGraceMs: number) {
    this.#cancelGraceMs = cancelGraceMs;
    // Without the process's own flags: import conditions of a test run would lead the thread to TypeScript sources.
    this.#worker = new Worker(workerEntry(), { workerData: setup, execArgv: [] });
    this.#started = new Promise((resolve, reject) => {
      this.#worker.on('message', (message: FromWorker) => {
        if (message.type === 'ready') {
          resolve(message.engine);
        } else if (message.type === 'start-failed') {
          this.#isAlive = false;
          reject(new WorkerStartError(`a compute worker cannot start: ${message.error.message}`));
        } else {
          this.#receive(message);
        }
      });
      this.#worker.once('error', (error) => {
        this.#failure = error instanceof Error ? error : new Error(String(error));
      });
      this.#worker.once('exit', () => reject(new WorkerStartError(`a compute worker cannot start: ${this.#reason()}`)));
    });
    // Whoever starts the worker awaits this; a crash much later must not count as unhandled.
    this.#started.catch(() => undefined);
    this.#exited = new Promise((resolve) => {
      this.#worker.once('exit', () => {
        this.#isAlive = false;
        this.#running?.reject(
          new WorkerCrashedError(
            `the compute worker crashed in the task ${this.#running.call.task}: ${this.#reason()}`,
            {
              cause: this.#failure,
            },
          ),
        );
        this.#running = undefined;
        resolve();
      });
    });
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  /** @throws WorkerStartError. */
  async started(): Promise<EngineInfo> {
    return await this.#started;
  }

  async run(call: TaskCall): Promise<unknown> {
    const cancelFlag = createCancelFlag();
    let killing: NodeJS.Timeout | undefined;
    const cancel = () => {
      raiseCancelFlag(cancelFlag);
      this.#post({ type: 'cancel', id: call.id });
      killing = setTimeout(() => void this.#worker.terminate(), this.#cancelGraceMs);
    };
    try {
      const output = await new Promise<unknown>((resolve, reject) => {
        this.#running = { call, cancelFlag, resolve, reject };
        const { task, id } = call;
        const rest = { id, task, followed: call.onProgress !== undefined, cancelFlag };
        if (call.input instanceof Transferring) {
          this.#post({ type: 'run', input: call.input.value, ...rest }, call.input.buffers);
        } else {
          this.#post({ type: 'run', input: call.input, ...rest });
        }
        call.signal?.addEventListener('abort', cancel, { once: true });
      });
      if (call.signal?.aborted === true) {
        throw new TaskCancelledError({ cause: call.signal.reason });
      }
      return output;
    } catch (error) {
      throw error instanceof WorkerCrashedError && call.signal?.aborted === true
        ? new TaskCancelledError({ cause: call.signal.reason })
        : error;
    } finally {
      clearTimeout(killing);
      this.#running = undefined;
      call.signal?.removeEventListener('abort', cancel);
    }
  }

  /** Cancels the running task, gives it the time to stop, then ends the thread. */
  async close(graceMs: number): Promise<void> {
    const running = this.#running;
    if (running !== undefined) {
      raiseCancelFlag(running.cancelFlag);
      this.#post({ type: 'cancel', id: running.call.id });
      await this.#idleWithin(graceMs);
    }
    await this.#worker.terminate();
    await this.#exited;
  }

  async #idleWithin(timeMs: number): Promise<void> {
    const deadline = performance.now() + timeMs;
    while (this.#running !== undefined && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  #receive(message: Exclude<FromWorker, { type: 'ready' | 'start-failed' }>): void {
    const running = this.#running;
    if (running === undefined || running.call.id !== message.id) {
      return;
    }
    const { call } = running;
    switch (message.type) {
      case 'progress':
        this.#progress(running, message.event);
        return;
      case 'done':
        running.resolve(message.output);
        return;
      case 'failed':
        running.reject(new TaskFailedError(call.task, message.error));
        return;
      case 'cancelled':
        running.reject(new TaskCancelledError({ cause: call.signal?.reason }));
        return;
      case 'unknown-task':
        running.reject(new UnknownTaskError(call.task));
        return;
    }
  }

  /** A listener that throws ends its task: the caller can no longer follow. */
  #progress(running: Running, event: unknown): void {
    try {
      running.call.onProgress?.(event);
    } catch (error) {
      raiseCancelFlag(running.cancelFlag);
      this.#post({ type: 'cancel', id: running.call.id });
      const failure = error instanceof Error ? error : new Error(String(error));
      this.#running = { ...running, resolve: () => running.reject(failure), reject: () => running.reject(failure) };
    }
  }

  #post(message: ToWorker, transfer: readonly ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, [...transfer]);
  }

  #reason(): string {
    return this.#failure?.message ?? 'its thread ended';
  }
}

/** Threads load JavaScript, also where this module itself runs from its TypeScript source. */
function workerEntry(): URL {
  const isSource = import.meta.url.endsWith('.ts');
  const entry = new URL(isSource ? '../dist/worker-entry.js' : './worker-entry.js', import.meta.url);
  if (!existsSync(fileURLToPath(entry))) {
    throw new WorkerStartError('the compute worker is not built: run `npm run build`');
  }
  return entry;
}
