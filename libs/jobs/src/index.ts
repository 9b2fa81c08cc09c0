export {
  CorruptJobRecordError,
  InvalidPageTokenError,
  JobCancelledError,
  JobFailedError,
  JobHandedBackError,
  JobLostError,
  JobNotFoundError,
  JobRetryError,
  RequestIdReusedError,
} from './errors.js';
export type { JobEvent } from './job-event.js';
export type { JobContext, JobHandler } from './job-handler.js';
export { JobQueue, type RunningJobs, type Submission } from './job-queue.js';
export {
  isTerminal,
  JOB_STATES,
  type JobError,
  type JobProgress,
  type JobRecord,
  type JobState,
} from './job-record.js';
export { type JobFilter, type JobPage, JobRepository } from './job-repository.js';
export { JobRunner, type JobRunnerOptions, startJobRunner } from './job-runner.js';
export type { JsonObject, JsonValue } from './json.js';
export { type JobUpdate, type WatchOptions, watchJob } from './watch-job.js';
