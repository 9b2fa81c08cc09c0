import { Job, type JobSpec, JobState } from '@percept/contracts';
import { JOB_STATES, type JobRecord, type JobStateName } from './job-record.js';

/** The record as the contract has it. */
export function toJob(record: JobRecord, spec: JobSpec): Job {
  return Job.fromPartial({
    id: record.id,
    kind: record.kind,
    state: JobState[record.state],
    spec,
    createTime: new Date(record.createTime),
    startTime: toDate(record.startTime),
    endTime: toDate(record.endTime),
    progress: record.progress,
    error: record.error,
    result: record.result,
    requestId: record.requestId,
    attempt: record.attempt,
    worker: record.worker,
    environment: record.environment,
    cancelRequested: record.cancelRequested,
  });
}

/** The name of a state, or undefined for what is none. */
export function stateName(state: JobState): JobStateName | undefined {
  return JOB_STATES.find((name) => JobState[name] === state);
}

function toDate(time: string | undefined): Date | undefined {
  return time === undefined ? undefined : new Date(time);
}
