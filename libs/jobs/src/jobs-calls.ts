import type { Bus } from '@percept/bus';
import {
  type FieldViolation,
  invalidArgument,
  type Job,
  type JobSpec,
  type JobsCancelRequest,
  type JobsCancelResponse,
  type JobsGetRequest,
  type JobsGetResponse,
  type JobsListRequest,
  type JobsListResponse,
  type JobsWatchRequest,
  type JobsWatchResponse,
  rpcError,
} from '@percept/contracts';
import { InvalidPageTokenError, JobNotFoundError } from './errors.js';
import type { JobQueue } from './job-queue.js';
import { isTerminal, type JobRecord, type JobStateName } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { stateName, toJob } from './to-job.js';
import { watchJob } from './watch-job.js';

export interface JobsCallsOptions {
  readonly repository: JobRepository;
  readonly queue: JobQueue;
  readonly bus: Bus;
  /** The kinds of the services on this port; jobs of other kinds are not found here. */
  readonly kinds: readonly string[];
}

/** The calls of `percept.v1.Jobs` on plain messages; errors are PerceptRpcErrors. */
export interface JobsCalls {
  get(request: JobsGetRequest): Promise<JobsGetResponse>;
  list(request: JobsListRequest): Promise<JobsListResponse>;
  watch(request: JobsWatchRequest, signal: AbortSignal): AsyncGenerator<JobsWatchResponse, void, void>;
  cancel(request: JobsCancelRequest): Promise<JobsCancelResponse>;
}

const DEFAULT_PAGE_SIZE = 100;
const LARGEST_PAGE_SIZE = 1_000;
const LONGEST_REQUEST_ID = 128;
const CACHED_SPECS = 1_000;

/** The one implementation of the Jobs service, for every service that owns jobs. */
export function createJobsCalls(options: JobsCallsOptions): JobsCalls {
  return new RepositoryJobsCalls(options);
}

class RepositoryJobsCalls implements JobsCalls {
  readonly #options: JobsCallsOptions;
  // Specs never change.
  readonly #specs = new Map<string, JobSpec>();

  constructor(options: JobsCallsOptions) {
    this.#options = options;
  }

  async get(request: JobsGetRequest): Promise<JobsGetResponse> {
    return { job: await this.#toJob(await this.#find(request.jobId)) };
  }

  async list(request: JobsListRequest): Promise<JobsListResponse> {
    const violations = violationsOfList(request);
    if (violations.length > 0) {
      throw invalidArgument(violations);
    }
    const own = this.#options.kinds;
    const kinds = request.kinds.length === 0 ? own : own.filter((kind) => request.kinds.includes(kind));
    if (kinds.length === 0) {
      return { jobs: [], nextPageToken: '' };
    }
    const states = request.states.map(stateName).filter((state): state is JobStateName => state !== undefined);
    const pageSize = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize;
    try {
      const page = await this.#options.repository.list({ kinds, states }, pageSize, request.pageToken);
      const jobs = await Promise.all(page.jobs.map((record) => this.#toJob(record)));
      return { jobs, nextPageToken: page.nextPageToken };
    } catch (error) {
      if (error instanceof InvalidPageTokenError) {
        throw invalidArgument([{ field: 'page_token', description: error.message }]);
      }
      throw error;
    }
  }

  async *watch(request: JobsWatchRequest, signal: AbortSignal): AsyncGenerator<JobsWatchResponse, void, void> {
    await this.#find(request.jobId);
    const { repository, bus } = this.#options;
    const { afterSequence: after, follow } = request;
    for await (const event of watchJob(repository, bus, request.jobId, { after, follow, signal })) {
      yield { event };
    }
  }

  async cancel(request: JobsCancelRequest): Promise<JobsCancelResponse> {
    if (request.requestId.length > LONGEST_REQUEST_ID) {
      throw invalidArgument([
        { field: 'request_id', description: `must have at most ${LONGEST_REQUEST_ID} characters` },
      ]);
    }
    const record = await this.#find(request.jobId);
    const cancelled = isTerminal(record.state) ? record : await this.#options.queue.cancel(request.jobId);
    return { job: await this.#toJob(cancelled) };
  }

  async #find(id: string): Promise<JobRecord> {
    if (id === '') {
      throw invalidArgument([{ field: 'job_id', description: 'must be given' }]);
    }
    try {
      const record = await this.#options.repository.get(id);
      if (this.#options.kinds.includes(record.kind)) {
        return record;
      }
    } catch (error) {
      if (!(error instanceof JobNotFoundError)) {
        throw error;
      }
    }
    throw rpcError('NOT_FOUND', `there is no job ${id.slice(0, 200)}`);
  }

  async #toJob(record: JobRecord): Promise<Job> {
    let spec = this.#specs.get(record.id);
    if (spec === undefined) {
      spec = await this.#options.repository.readSpec(record.id);
      this.#specs.set(record.id, spec);
      if (this.#specs.size > CACHED_SPECS) {
        const [oldest = ''] = this.#specs.keys();
        this.#specs.delete(oldest);
      }
    }
    return toJob(record, spec);
  }
}

function violationsOfList(request: JobsListRequest): FieldViolation[] {
  const violations: FieldViolation[] = [];
  if (request.pageSize > LARGEST_PAGE_SIZE) {
    violations.push({ field: 'page_size', description: `must be 0 .. ${LARGEST_PAGE_SIZE}` });
  }
  for (const [index, state] of request.states.entries()) {
    if (stateName(state) === undefined) {
      violations.push({ field: `states[${index}]`, description: `${state} is not a state of a job` });
    }
  }
  return violations;
}
