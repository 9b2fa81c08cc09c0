import type { JobProgress, JobRecord } from './job-record.js';
import type { JsonObject } from './json.js';

/** What a handler sees of its job and may do with it. */
export interface JobContext {
  readonly job: JobRecord;
  readonly spec: Uint8Array;
  /** 1 for the first worker of the job, one more for every later one. */
  readonly attempt: number;
  /**
   * Fires within a second of a cancellation, at the end of this process, or when another worker took over; its reason is
   * JobCancelledError, JobHandedBackError or JobLostError. The handler stops after the current step and throws.
   */
  readonly signal: AbortSignal;
  /** Replaces the job's progress; cheap, may be called every step. */
  progress(progress: Omit<JobProgress, 'etaSeconds'>): void;
  /**
   * Sends an event of a kind such as `metrics`, `image` or `log` to the watchers and keeps it with the job. Resolves when the bus
   * has it; handlers that send much wait for it.
   *
   * @throws BodyTooLargeError above about 1 MB of JSON.
   */
  emit(kind: string, data: JsonObject): Promise<void>;
  readonly checkpoint: {
    /** The newest checkpoint of any attempt. */
    load(): Promise<Uint8Array | undefined>;
    /** @throws JobLostError when another worker took over. */
    save(bytes: Uint8Array): Promise<void>;
  };
}

/**
 * Does the work of a job; what it returns becomes the job's result. Throws JobFailedError to fail with a code of its choice,
 * JobRetryError to be run again later; after its signal fired, anything it throws counts as having stopped.
 */
export type JobHandler = (context: JobContext) => Promise<JsonObject>;
