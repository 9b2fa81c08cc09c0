import type { EngineInfo, EngineName } from '@percept/tensor';

/** What a worker is started with. */
export interface WorkerSetup {
  readonly taskModule: string;
  readonly engine?: EngineName;
  readonly threads?: number;
}

/** An error as plain data. */
export interface PlainError {
  readonly name: string;
  readonly message: string;
  readonly stack: string;
  /** The error's own properties that can be cloned. */
  readonly details: Record<string, unknown>;
}

/** From the pool to a worker. `cancelFlag` holds one Int32: 1 once the task is cancelled. */
export type ToWorker =
  | {
      readonly type: 'run';
      readonly id: number;
      readonly task: string;
      readonly input: unknown;
      /** Whether the caller listens to progress. */
      readonly followed: boolean;
      readonly cancelFlag: SharedArrayBuffer;
    }
  | { readonly type: 'cancel'; readonly id: number };

/** From a worker to the pool. */
export type FromWorker =
  | { readonly type: 'ready'; readonly engine: EngineInfo }
  | { readonly type: 'start-failed'; readonly error: PlainError }
  | { readonly type: 'progress'; readonly id: number; readonly event: unknown }
  | { readonly type: 'done'; readonly id: number; readonly output: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly error: PlainError }
  | { readonly type: 'cancelled'; readonly id: number }
  | { readonly type: 'unknown-task'; readonly id: number };
