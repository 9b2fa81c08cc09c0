import type { Bus } from '@percept/bus';
import {
  invalidArgument,
  type Job,
  JobSpec,
  type JobsCancelRequest,
  type JobsCancelResponse,
  type JobsGetRequest,
  type JobsGetResponse,
  type JobsListRequest,
  type JobsListResponse,
  JobsService,
  type JobsWatchRequest,
  type JobsWatchResponse,
  type PerceptRpcError,
  rpcError,
} from '@percept/contracts';
import { type MountedService, mount, Violations } from '@percept/platform';
import { collectGarbage } from './collect-garbage.js';
import { dropOldest } from './drop-oldest.js';
import { InvalidPageTokenError, JobNotFoundError } from './errors.js';
import type { JobQueue } from './job-queue.js';
import { isTerminal, type JobRecord, type JobStateName } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { stateName, toJob } from './to-job.js';
import { watchJob } from './watch-job.js';

export interface JobsServiceOptions {
  readonly repository: JobRepository;
  readonly queue: JobQueue;
  readonly bus: Bus;
  /** The kinds of the services on this port; jobs of other kinds are not found here. */
  readonly kinds: readonly string[];
}

const DEFAULT_PAGE_SIZE = 100;
const LARGEST_PAGE_SIZE = 1_000;
const LISTED_KEYS = 1_000;
const CACHED_SPECS = 10_000;
/** Larger specs are read again for every answer that shows them. */
const LARGEST_CACHED_BYTES = 8_192;

/** The one implementation of `percept.v1.Jobs`, mounted wherever jobs are owned. Where several owners share a port, one with all kinds. */
export function jobsService(options: JobsServiceOptions): MountedService {
  const calls = new JobsCalls(options);
  return mount(JobsService, {
    get: (request) => calls.get(request),
    list: (request) => calls.list(request),
    watch: (request, { signal }) => calls.watch(request, signal),
    cancel: (request) => calls.cancel(request),
    collectGarbage: async ({ dryRun, pageToken }, { signal }) => {
      const garbage = await namingPageToken(() => collectGarbage(options.repository, { dryRun, pageToken, signal }));
      return { ...garbage, keys: garbage.keys.slice(0, LISTED_KEYS) };
    },
    listDeadLetters: async () => ({ letters: [...(await options.bus.deadLetters())] }),
    requeueDeadLetter: async ({ sequence }) => {
      const letter = await options.bus.requeueDeadLetter(sequence);
      if (letter === undefined) {
        throw rpcError('NOT_FOUND', `there is no dead letter ${sequence}`);
      }
      return { letter };
    },
  });
}

class JobsCalls {
  readonly #options: JobsServiceOptions;
  // Specs never change.
  readonly #specs = new Map<string, JobSpec>();

  constructor(options: JobsServiceOptions) {
    this.#options = options;
  }

  async get(request: JobsGetRequest): Promise<JobsGetResponse> {
    return { job: await this.#toJob(await this.#find(request.jobId)) };
  }

  async list(request: JobsListRequest): Promise<JobsListResponse> {
    const states = validateList(request);
    const own = this.#options.kinds;
    const kinds = request.kinds.length === 0 ? own : own.filter((kind) => request.kinds.includes(kind));
    if (kinds.length === 0) {
      return { jobs: [], nextPageToken: '' };
    }
    const pageSize = request.pageSize === 0 ? DEFAULT_PAGE_SIZE : request.pageSize;
    const page = await namingPageToken(() =>
      this.#options.repository.list({ kinds, states }, pageSize, request.pageToken),
    );
    const jobs = await Promise.all(page.jobs.map((record) => this.#toJob(record)));
    return { jobs, nextPageToken: page.nextPageToken };
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
    const violations = new Violations();
    violations.requestId(request.requestId);
    violations.throwIfAny();
    const record = await this.#find(request.jobId);
    const cancelled = isTerminal(record.state) ? record : await this.#options.queue.cancel(request.jobId);
    return { job: await this.#toJob(cancelled) };
  }

  async #find(id: string): Promise<JobRecord> {
    if (id === '') {
      throw violation('job_id', 'must be given');
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
      if (JobSpec.encode(spec).finish().byteLength <= LARGEST_CACHED_BYTES) {
        this.#specs.set(record.id, spec);
      }
      dropOldest(this.#specs, CACHED_SPECS);
    }
    return toJob(record, spec);
  }
}

async function namingPageToken<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof InvalidPageTokenError ? violation('page_token', error.message) : error;
  }
}

function validateList(request: JobsListRequest): JobStateName[] {
  const violations = new Violations();
  violations.integer(request.pageSize, 'page_size', 0, LARGEST_PAGE_SIZE);
  const states: JobStateName[] = [];
  for (const [index, state] of request.states.entries()) {
    const name = stateName(state);
    if (name === undefined) {
      violations.add(`states[${index}]`, `${state} is not a state of a job`);
    } else {
      states.push(name);
    }
  }
  violations.throwIfAny();
  return states;
}

function violation(field: string, description: string): PerceptRpcError {
  return invalidArgument([{ field, description }]);
}
