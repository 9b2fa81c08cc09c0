export { type JobServiceConfig, jobServiceConfig } from './job-service-config.js';
export { type JobServiceEnvironment, type JobServiceProcess, runJobService } from './run-job-service.js';
