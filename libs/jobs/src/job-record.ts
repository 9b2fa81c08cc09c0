import { type JobError, JobProgress, JobResult } from '@percept/contracts';
import { CorruptJobRecordError } from './errors.js';
import type { JobPriority } from './job-priority.js';
import { decodeJson, encodeJson } from './json.js';

export const JOB_STATES = ['QUEUED', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED'] as const;

/** The name of a contract's JobState. */
export type JobStateName = (typeof JOB_STATES)[number];

/** All that is known of a job but its spec, its events and its checkpoint. Times are RFC 3339. */
export interface JobRecord {
  readonly id: string;
  readonly kind: string;
  readonly requestId: string;
  /** SHA-256 of the spec. */
  readonly specDigest: string;
  readonly state: JobStateName;
  /** The sequence number of the event that says so. */
  readonly stateSequence: number;
  readonly stateTime: string;
  /** The fencing token: 0 before the first worker, one more with every worker that takes the job. */
  readonly attempt: number;
  /** Takeovers and retries since the last checkpoint. */
  readonly setbacks: number;
  readonly cancelRequested: boolean;
  /** Which worker runs it or ran it last; empty before. */
  readonly worker: string;
  /** What it runs on, by name. */
  readonly environment: Readonly<Record<string, string>>;
  /** Until when the worker of a RUNNING job counts as alive without a further sign. */
  readonly leaseUntil?: string;
  readonly progress?: JobProgress;
  readonly error?: JobError;
  readonly result?: JobResult;
  /** Trace context of the submitting call. */
  readonly headers: Readonly<Record<string, string>>;
  readonly createTime: string;
  readonly startTime?: string;
  readonly endTime?: string;
  /** Absent: `batch`. */
  readonly priority?: JobPriority;
  /** New with every write. */
  readonly revision: string;
}

/** Whether the state is final. */
export function isTerminal(state: JobStateName): boolean {
  return state === 'SUCCEEDED' || state === 'FAILED' || state === 'CANCELLED';
}

export function encodeJobRecord(record: JobRecord): Uint8Array {
  const { progress, result, ...rest } = record;
  return encodeJson({
    ...rest,
    ...(progress === undefined ? {} : { progress: JobProgress.toJSON(progress) }),
    ...(result === undefined ? {} : { result: JobResult.toJSON(result) }),
  });
}

/** @throws CorruptJobRecordError. */
export function decodeJobRecord(id: string, bytes: Uint8Array): JobRecord {
  try {
    const value = decodeJson(bytes);
    if (isJobRecord(value) && value.id === id) {
      const { progress, result, ...rest } = value;
      return {
        ...rest,
        ...(progress === undefined ? {} : { progress: JobProgress.fromJSON(progress) }),
        ...(result === undefined ? {} : { result: JobResult.fromJSON(result) }),
      };
    }
  } catch (error) {
    throw new CorruptJobRecordError(id, { cause: error });
  }
  throw new CorruptJobRecordError(id);
}

function isJobRecord(value: unknown): value is JobRecord {
  const record = value as Partial<JobRecord> | null;
  return (
    typeof record === 'object' &&
    record !== null &&
    typeof record.id === 'string' &&
    typeof record.kind === 'string' &&
    typeof record.attempt === 'number' &&
    typeof record.stateSequence === 'number' &&
    typeof record.revision === 'string' &&
    typeof record.createTime === 'string' &&
    JOB_STATES.some((state) => state === record.state)
  );
}
