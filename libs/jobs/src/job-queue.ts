import { createHash, randomUUID } from 'node:crypto';
import { type Bus, workSubject } from '@percept/bus';
import { RequestIdReusedError } from './errors.js';
import { eventSequence, publishJobEvent } from './job-event.js';
import { isTerminal, type JobRecord } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { encodeJson } from './json.js';

export interface Submission {
  readonly kind: string;
  readonly spec: Uint8Array;
  /** The same id gives the same job. Empty: always a new job. */
  readonly requestId: string;
  /** For people. */
  readonly title?: string;
  /** Trace context, carried along to the worker. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What `requeueUnfinished` may take for granted about jobs that are marked RUNNING. */
export type RunningJobs = 'are-orphans' | 'may-be-alive';

const ID_DIGITS = 20;
const PAGE_SIZE = 1_000;

/** Takes jobs in: store first, then the bus, so that whatever the bus loses can be queued again from the store. */
export class JobQueue {
  readonly #repository: JobRepository;
  readonly #bus: Bus;

  constructor(repository: JobRepository, bus: Bus) {
    this.#repository = repository;
    this.#bus = bus;
  }

  /**
   * Stores and queues a job; a repeated request gives the job of the first.
   *
   * @throws RequestIdReusedError when the request id came with another spec; errors of store and bus, after which the same
   * request may be repeated.
   */
  async submit(submission: Submission): Promise<JobRecord> {
    const { kind, spec, requestId } = submission;
    workSubject(kind);
    const specDigest = createHash('sha256').update(spec).digest('hex');
    const record = await this.#repository.create(
      {
        id: requestId === '' ? freshId(kind) : idOfRequest(kind, requestId),
        kind,
        title: submission.title ?? '',
        requestId,
        specDigest,
        state: 'QUEUED',
        attempt: 0,
        setbacks: 0,
        cancelRequested: false,
        worker: '',
        headers: submission.headers ?? {},
        createTime: new Date().toISOString(),
      },
      spec,
    );
    if (record.specDigest !== specDigest) {
      throw new RequestIdReusedError(requestId, kind);
    }
    if (record.state === 'QUEUED' && record.attempt === 0) {
      // Also for a repeated request: the first may have broken off before this point.
      await this.#publish(record, record.id);
      await publishState(this.#bus, record, eventSequence(0, 1));
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
      return current.state === 'QUEUED'
        ? { ...current, cancelRequested: true, state: 'CANCELLED', finishTime: new Date().toISOString() }
        : { ...current, cancelRequested: true };
    });
    const sequence = eventSequence(record.attempt + 1, 0);
    if (record.state === 'RUNNING') {
      await publishJobEvent(this.#bus, {
        job: id,
        kind: 'cancel',
        sequence,
        time: new Date().toISOString(),
        data: {},
      });
    } else {
      await publishState(this.#bus, record, sequence);
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
          await publishState(this.#bus, record, eventSequence(record.attempt + 1, 0));
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
      return { ...rest, state: 'QUEUED', setbacks: current.setbacks + 1 };
    });
  }

  async #publish(record: JobRecord, dedupeId: string): Promise<void> {
    await this.#bus.publishWork(record.kind, record.id, encodeJson({ job: record.id }), {
      dedupeId,
      headers: record.headers,
    });
  }
}

/** Announces a job's state; watchers read the rest from the record. */
export async function publishState(bus: Bus, record: JobRecord, sequence: number): Promise<void> {
  await publishJobEvent(bus, {
    job: record.id,
    kind: 'state',
    sequence,
    time: new Date().toISOString(),
    data: { state: record.state, attempt: record.attempt },
  });
}

function freshId(kind: string): string {
  return `${kind}-${randomUUID().replaceAll('-', '').slice(0, ID_DIGITS)}`;
}

/** The id follows from the request, so that a repeated request finds the job without an index. */
function idOfRequest(kind: string, requestId: string): string {
  const digest = createHash('sha256').update(`${kind}\0${requestId}`).digest('hex');
  return `${kind}-${digest.slice(0, ID_DIGITS)}`;
}
