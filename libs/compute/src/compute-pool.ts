import type { EngineInfo, EngineName } from '@percept/tensor';

/** Tasks of calls that someone waits for run before tasks of jobs. */
export type TaskPriority = 'interactive' | 'job';

export interface ComputePoolOptions {
  /** A built JavaScript module whose named exports are the tasks. */
  readonly taskModule: URL;
  /** Worker threads; each owns an engine and runs one task at a time. Default 1. */
  readonly workers?: number;
  /** The engine each worker selects; default as `selectEngine` chooses. */
  readonly engine?: EngineName;
  /** Threads of each worker's engine; default as `selectEngine` chooses. */
  readonly threads?: number;
  /** How long a cancelled task may go on before it loses its thread, in milliseconds. Default 10,000. */
  readonly cancelGraceMs?: number;
  /** Tasks that may wait per priority before `run` rejects with QueueFullError. Default 64. */
  readonly queueLimit?: number;
}

export interface RunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (event: unknown) => void;
  /** Default `interactive`. */
  readonly priority?: TaskPriority;
}

/** Counts for metrics and for the dashboard's worker strip. */
export interface ComputePoolStatus {
  readonly workers: number;
  /** Workers whose thread runs; fewer than `workers` while one is started again after a crash. */
  readonly alive: number;
  readonly busy: number;
  readonly waiting: Readonly<Record<TaskPriority, number>>;
}

export interface ComputePool {
  /** The engine of the workers, as the first one selected it. */
  readonly engine: EngineInfo;
  readonly status: ComputePoolStatus;
  /**
   * Says early, before anything is prepared for a task, that it would be refused.
   *
   * @throws QueueFullError.
   */
  checkRoom(priority: TaskPriority): void;
  /**
   * Runs the task exported under `task` on `input` (plain data, or `transferring(...)` to move its buffers).
   *
   * @throws TaskCancelledError when `signal` fires, at the latest `cancelGraceMs` after that, QueueFullError when too many tasks wait, UnknownTaskError,
   * WorkerCrashedError when the thread died, PoolClosedError, or TaskFailedError, which has the name and the properties of what the
   * task threw.
   */
  run<Output = unknown>(task: string, input: unknown, options?: RunOptions): Promise<Output>;
  /** Rejects what waits, cancels what runs, and ends the threads. */
  close(): Promise<void>;
}
