import type { EngineInfo } from '@percept/tensor';

/**
 * What a running task sees besides its input.
 *
 * `signal` fires between awaits; `throwIfCancelled` and `cancelled` read a flag in shared memory, so that they see a
 * cancellation even while the task never yields to the worker's event loop. Long synchronous stretches should call
 * `throwIfCancelled` once per step.
 */
export interface TaskContext {
  readonly signal: AbortSignal;
  readonly engine: EngineInfo;
  readonly cancelled: boolean;
  /** Throws TaskCancelledError once the task was cancelled. */
  throwIfCancelled(): void;
  /** Sends plain data to the caller's `onProgress`, where it has one; buffers in `transfer` are moved, not copied. */
  progress(event: unknown, transfer?: readonly ArrayBuffer[]): void;
}

/** One task: plain data in, plain data out (or a `transferring` wrapper around it). */
export type Task<Input = never, Output = unknown> = (input: Input, context: TaskContext) => Promise<Output> | Output;

/** A task that yields progress events and returns its result. */
export type StreamingTask<Input = never, Event = unknown, Output = unknown> = (
  input: Input,
  context: TaskContext,
) => AsyncGenerator<Event, Output, void>;

/** A value together with the buffers that move with it instead of being copied. */
export class Transferring<Value> {
  readonly value: Value;
  readonly buffers: readonly ArrayBuffer[];

  constructor(value: Value, buffers: readonly ArrayBuffer[]) {
    this.value = value;
    this.buffers = buffers;
  }
}

/**
 * Marks a task's input, progress event or result as moving the buffers of the given typed arrays instead of copying them.
 * The sender must not touch these arrays afterwards.
 */
export function transferring<Value>(value: Value, arrays: readonly ArrayBufferView[]): Transferring<Value> {
  const buffers = new Set<ArrayBuffer>();
  for (const { buffer } of arrays) {
    if (buffer instanceof ArrayBuffer) {
      buffers.add(buffer);
    }
  }
  return new Transferring(value, [...buffers]);
}
