import { createHash, randomUUID } from 'node:crypto';
import { type Bus, workSubject } from '@percept/bus';
import { JobSpec } from '@percept/contracts';
import { traceHeaders } from '@percept/platform';
import { JobNotFoundError, JobQuotaError, RequestIdReusedError } from './errors.js';
import { eventSequence, publishJobEvent, stateEvent } from './job-event.js';
import { JOB_PRIORITIES, type JobPriority, queueOf } from './job-priority.js';
import { isTerminal, type JobRecord } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { encodeJson } from './json.js';

export interface Submission {
  readonly kind: string;
  readonly spec: JobSpec;
  /** The same id gives the same job. Empty: always a new job. */
  readonly requestId: string;
  /** Default `batch`. */
  readonly priority?: JobPriority;
  /** Trace context, carried along to the worker. Default: that of the running work. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What `requeueUnfinished` may take for granted about jobs that are marked RUNNING. */
export type RunningJobs = 'are-orphans' | 'may-be-alive';

const DEFAULT_MAX_WAITING = 1_000;
const ID_DIGITS = 20;
const PAGE_SIZE = 1_000;
const COUNT_HOLDS_MS = 1_000;

/** Takes jobs in: store first, then the bus, so that whatever the bus loses can be queued again from the store. */
export class JobQueue {
  readonly #repository: JobRepository;
  readonly #bus: Bus;
  readonly #maxWaiting: number;
  // Waiting jobs of the kinds whose queues were long when they were last looked at.
  readonly #counted = new Map<string, { waiting: number; readonly at: number }>();

  /** `maxWaiting`: QUEUED jobs of one kind beyond which `submit` refuses new ones. */
  constructor(repository: JobRepository, bus: Bus, options: { readonly maxWaiting?: number } = {}) {
    this.#repository = repository;
    this.#bus = bus;
    this.#maxWaiting = options.maxWaiting ?? DEFAULT_MAX_WAITING;
  }

  /**
   * Stores and queues a job; a repeated request gives the job of the first.
   *
   * @throws RequestIdReusedError when the request id came with another spec, JobQuotaError; errors of store and bus, after which the same
   * request may be repeated.
   */
  async submit(submission: Submission): Promise<JobRecord> {
    const { kind, requestId } = submission;
    workSubject(kind);
    const spec = JobSpec.encode(submission.spec).finish();
    const specDigest = createHash('sha256').update(spec).digest('hex');
    const id = requestId === '' ? freshId(kind) : idOfRequest(kind, requestId);
    await this.#checkQuota(kind, id);
    const now = new Date().toISOString();
    const record = await this.#repository.create(
      {
        id,
        kind,
        requestId,
        specDigest,
        state: 'QUEUED',
        stateSequence: eventSequence(0, 1),
        stateTime: now,
        attempt: 0,
        setbacks: 0,
        cancelRequested: false,
        worker: '',
        environment: {},
        headers: submission.headers ?? traceHeaders(),
        ...(submission.priority === undefined ? {} : { priority: submission.priority }),
        createTime: now,
      },
      spec,
    );
    if (record.specDigest !== specDigest) {
      throw new RequestIdReusedError(requestId, kind);
    }
    if (record.state === 'QUEUED' && record.attempt === 0) {
      // Also for a repeated request: the first may have broken off before this point.
      await this.#publish(record, record.id);
    }
    return record;
  }

  /**
   * Asks for the end of a job: at once while it is queued, otherwise as soon as its worker sees it. A job that has ended stays
   * as it is.
   *
   * @throws JobNotFoundError.
   */
  async cancel(id: string): Promise<JobRecord> {
    const record = await this.#repository.update(id, (current) => {
      if (isTerminal(current.state) || current.cancelRequested) {
        return undefined;
      }
      if (current.state === 'RUNNING') {
        return { ...current, cancelRequested: true };
      }
      const now = new Date().toISOString();
      return {
        ...current,
        cancelRequested: true,
        state: 'CANCELLED',
        // In the place of the attempt that does not come.
        stateSequence: eventSequence(current.attempt + 1, 1),
        stateTime: now,
        endTime: now,
      };
    });
    if (isTerminal(record.state)) {
      await publishJobEvent(this.#bus, stateEvent(record));
    } else {
      await publishJobEvent(this.#bus, { sequence: 0, time: new Date(), jobId: id });
    }
    return record;
  }

  /**
   * Queues every unfinished job of these kinds again, as after a loss of the bus.
   *
   * With `are-orphans` (no worker can be alive, as at the start of a process that owns its store) running jobs go on at once;
   * with `may-be-alive` a running job is taken over only once its lease has run out, and copies in the queue are harmless.
   *
   * @returns how many.
   */
  async requeueUnfinished(kinds: readonly string[], running: RunningJobs): Promise<number> {
    let count = 0;
    let pageToken = '';
    do {
      const page = await this.#repository.list({ kinds, states: ['QUEUED', 'RUNNING'] }, PAGE_SIZE, pageToken);
      for (const found of page.jobs) {
        const record = running === 'are-orphans' ? await this.#orphaned(found.id) : found;
        if (!isTerminal(record.state)) {
          await this.#publish(record, `${record.id}-${randomUUID()}`);
          count += 1;
        }
      }
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    return count;
  }

  async #orphaned(id: string): Promise<JobRecord> {
    return await this.#repository.update(id, (current) => {
      if (current.state !== 'RUNNING') {
        return undefined;
      }
      const { leaseUntil: _, ...rest } = current;
      return {
        ...rest,
        state: 'QUEUED',
        stateSequence: eventSequence(current.attempt + 1, 0),
        stateTime: new Date().toISOString(),
        setbacks: current.setbacks + 1,
      };
    });
  }

  /** Repeated requests for a job that is there pass. */
  async #checkQuota(kind: string, id: string): Promise<void> {
    if ((await this.#unfinished(kind)) < this.#maxWaiting || (await this.#countWaiting(kind)) < this.#maxWaiting) {
      return;
    }
    try {
      await this.#repository.get(id);
    } catch (error) {
      throw error instanceof JobNotFoundError ? new JobQuotaError(kind, this.#maxWaiting) : error;
    }
  }

  /** What the bus holds, at no cost that grows with the jobs; more than wait, since running and cancelled jobs are among it. */
  async #unfinished(kind: string): Promise<number> {
    const queues = JOB_PRIORITIES.map((priority) => this.#bus.unfinishedWork(queueOf(kind, priority)));
    return (await Promise.all(queues)).reduce((sum, count) => sum + count, 0);
  }

  /** Jobs that wait, from the store; reads all that do, therefore once a second at most and not again for those that come meanwhile. */
  async #countWaiting(kind: string): Promise<number> {
    const now = performance.now();
    let counted = this.#counted.get(kind);
    if (counted === undefined || now - counted.at > COUNT_HOLDS_MS) {
      const waiting = await this.#repository.count({ kinds: [kind], states: ['QUEUED'] }, this.#maxWaiting);
      counted = { waiting, at: now };
      this.#counted.set(kind, counted);
    }
    const { waiting } = counted;
    counted.waiting += 1;
    return waiting;
  }

  async #publish(record: JobRecord, dedupeId: string): Promise<void> {
    await publishJobEvent(this.#bus, stateEvent(record));
    await this.#bus.publishWork(
      queueOf(record.kind, record.priority ?? 'batch'),
      record.id,
      encodeJson({ job: record.id }),
      {
        dedupeId,
        headers: record.headers,
      },
    );
  }
}

function freshId(kind: string): string {
  return `${kind}-${randomUUID().replaceAll('-', '').slice(0, ID_DIGITS)}`;
}

/** The id follows from the request, so that a repeated request finds the job without an index. */
function idOfRequest(kind: string, requestId: string): string {
  const digest = createHash('sha256').update(`${kind}\0${requestId}`).digest('hex');
  return `${kind}-${digest.slice(0, ID_DIGITS)}`;
}
