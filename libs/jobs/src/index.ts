export { collectGarbage, type Garbage, GarbageDuty, type GarbageOptions } from './collect-garbage.js';
export {
  CorruptJobRecordError,
  InvalidPageTokenError,
  JobCancelledError,
  JobFailedError,
  JobHandedBackError,
  JobLostError,
  JobNotFoundError,
  JobQuotaError,
  JobRetryError,
  RequestIdReusedError,
} from './errors.js';
export { jobDependencies } from './job-dependencies.js';
export type { HandlerEvent, HandlerProgress, JobContext, JobHandler } from './job-handler.js';
export type { JobPriority } from './job-priority.js';
export { JobQueue, type RunningJobs, type Submission } from './job-queue.js';
export { isTerminal, JOB_STATES, type JobRecord, type JobStateName } from './job-record.js';
export { type JobFilter, type JobPage, JobRepository } from './job-repository.js';
export { JobRunner, type JobRunnerOptions, startJobRunner } from './job-runner.js';
export { type JobsServiceOptions, jobsService } from './jobs-service.js';
export { RateEstimator } from './rate-estimator.js';
export { ShardGathering, type ShardGatheringOptions, type ShardRunOptions } from './shard-gathering.js';
export { type ShardCompute, ShardWorker, type ShardWorkerOptions } from './shard-worker.js';
export { stateName, toJob } from './to-job.js';
export { type WatchOptions, watchJob } from './watch-job.js';
