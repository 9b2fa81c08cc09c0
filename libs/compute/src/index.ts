export type { ComputePool, ComputePoolOptions, ComputePoolStatus, RunOptions, TaskPriority } from './compute-pool.js';
export { createComputePool } from './create-compute-pool.js';
export {
  PoolClosedError,
  QueueFullError,
  TaskCancelledError,
  TaskFailedError,
  UnknownTaskError,
  WorkerCrashedError,
  WorkerStartError,
} from './errors.js';
export { type StreamingTask, type Task, type TaskContext, Transferring, transferring } from './task.js';
