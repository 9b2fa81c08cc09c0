/** The task's signal fired. */
export class TaskCancelledError extends Error {
  override readonly name = 'TaskCancelledError';

  constructor(options?: ErrorOptions) {
    super('the task was cancelled', options);
  }
}

/** Too many tasks wait already; the caller may try again later. */
export class QueueFullError extends Error {
  override readonly name = 'QueueFullError';

  constructor(limit: number) {
    super(`${limit} tasks wait for a compute worker already`);
  }
}

/** The task module exports no function of this name. */
export class UnknownTaskError extends Error {
  override readonly name = 'UnknownTaskError';

  constructor(task: string) {
    super(`there is no task ${task}`);
  }
}

/** What a task threw: it has the original's name, message, stack and own plain properties, such as `violations`; only its class is lost. */
export class TaskFailedError extends Error {
  readonly task: string;

  constructor(task: string, error: { name: string; message: string; stack: string; details: Record<string, unknown> }) {
    super(error.message);
    Object.assign(this, error.details);
    this.name = error.name;
    this.stack = error.stack;
    this.task = task;
  }
}

/** The worker's thread ended while it ran the task; a fresh worker takes its place. */
export class WorkerCrashedError extends Error {
  override readonly name = 'WorkerCrashedError';
}

/** A worker could not start: the engine, the task module or the built worker entry cannot be loaded. */
export class WorkerStartError extends Error {
  override readonly name = 'WorkerStartError';
}

/** The pool was closed. */
export class PoolClosedError extends Error {
  override readonly name = 'PoolClosedError';

  constructor() {
    super('the compute pool is closed');
  }
}
