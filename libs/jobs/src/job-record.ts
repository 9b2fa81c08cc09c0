import { CorruptJobRecordError } from './errors.js';
import { decodeJson, encodeJson, type JsonObject } from './json.js';

export const JOB_STATES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;

export type JobState = (typeof JOB_STATES)[number];

/** How far a job is, in units of its own. */
export interface JobProgress {
  readonly done: number;
  readonly total: number;
  /** Such as `steps` or `images`. */
  readonly unit: string;
  /** What it does now, for people. */
  readonly message: string;
  /** Seconds left at the rate of late; absent before a rate is known. */
  readonly etaSeconds?: number;
}

export interface JobError {
  /** A gRPC status code. */
  readonly code: number;
  readonly message: string;
}

/** All that is known of a job but its spec, its events and its checkpoint. Times are RFC 3339. */
export interface JobRecord {
  readonly id: string;
  readonly kind: string;
  /** For people; may be empty. */
  readonly title: string;
  readonly requestId: string;
  /** SHA-256 of the spec. */
  readonly specDigest: string;
  readonly state: JobState;
  /** The fencing token: 0 before the first worker, one more with every worker that takes the job. */
  readonly attempt: number;
  /** Takeovers and retries since the last checkpoint. */
  readonly setbacks: number;
  readonly cancelRequested: boolean;
  /** Which worker runs it or ran it last; empty before. */
  readonly worker: string;
  /** Until when the worker of a RUNNING job counts as alive without a further sign. */
  readonly leaseUntil?: string;
  readonly progress?: JobProgress;
  readonly error?: JobError;
  /** What a SUCCEEDED job made: names, ids and keys, as its kind defines. */
  readonly result?: JsonObject;
  /** Trace context of the submitting call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly createTime: string;
  readonly startTime?: string;
  readonly finishTime?: string;
  /** New with every write. */
  readonly revision: string;
}

/** Whether the state is final. */
export function isTerminal(state: JobState): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELLED';
}

export function encodeJobRecord(record: JobRecord): Uint8Array {
  return encodeJson(record);
}

/** @throws CorruptJobRecordError. */
export function decodeJobRecord(id: string, bytes: Uint8Array): JobRecord {
  let value: unknown;
  try {
    value = decodeJson(bytes);
  } catch (error) {
    throw new CorruptJobRecordError(id, { cause: error });
  }
  if (!isJobRecord(value) || value.id !== id) {
    throw new CorruptJobRecordError(id);
  }
  return value;
}

function isJobRecord(value: unknown): value is JobRecord {
  const record = value as Partial<JobRecord> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    typeof record.id === 'string' &&
    typeof record.kind === 'string' &&
    typeof record.attempt === 'number' &&
    typeof record.revision === 'string' &&
    typeof record.createTime === 'string' &&
    JOB_STATES.some((state) => state === record.state)
  );
}
