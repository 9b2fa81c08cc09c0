import type { JobResult, JobSpec } from '@percept/contracts';
import type { JobEventPayload } from './job-event.js';
import type { JobRecord } from './job-record.js';

/** How far a handler is; fraction and time left follow. */
export interface HandlerProgress {
  readonly done: number;
  /** 0 while unknown. */
  readonly total: number;
  /** In the plural, such as `steps` or `images`. */
  readonly unit: string;
  /** What it is doing, in a few words. */
  readonly message: string;
}

/** States and progress have ways of their own. */
export type HandlerEvent = Exclude<JobEventPayload, { readonly $case: 'stateChange' | 'progress' }>;

/** What a handler sees of its job and may do with it. */
export interface JobContext {
  readonly job: JobRecord;
  readonly spec: JobSpec;
  /** 1 for the first worker of the job, one more for every later one. */
  readonly attempt: number;
  /**
   * Fires within a second of a cancellation, at the end of this process, or when another worker took over; its reason is
   * JobCancelledError, JobHandedBackError or JobLostError. The handler stops after the current step and throws.
   */
  readonly signal: AbortSignal;
  /** Replaces the job's progress; cheap, may be called every step. */
  progress(progress: HandlerProgress): void;
  /** Says what the job runs on, by name: engine, version, path, threads, processor. */
  environment(environment: Readonly<Record<string, string>>): void;
  /**
   * Sends an event to the watchers and keeps it with the job. Resolves when the bus has it; handlers that send much wait for it.
   *
   * @throws BodyTooLargeError above about 1 MB of protobuf JSON.
   */
  emit(event: HandlerEvent): Promise<void>;
  /**
   * Stores an object of the job's result, in the place of what an earlier attempt left there.
   *
   * @throws JobLostError when another worker took over: nothing of that worker's is replaced.
   */
  put(key: string, bytes: Uint8Array): Promise<void>;
  readonly checkpoint: {
    /** The newest checkpoint of any attempt. */
    load(): Promise<Uint8Array | undefined>;
    /** @throws JobLostError when another worker took over. */
    save(bytes: Uint8Array): Promise<void>;
  };
}

/**
 * Does the work of a job and gives its result. Throws JobFailedError to fail with a code of its choice, JobRetryError to be
 * run again later; after its signal fired, anything it throws counts as having stopped.
 */
export type JobHandler = (context: JobContext) => Promise<JobResult>;
