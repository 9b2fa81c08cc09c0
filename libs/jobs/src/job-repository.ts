import { randomUUID } from 'node:crypto';
import { type JobEvent, JobSpec } from '@percept/contracts';
import {
  ConditionFailedError,
  findObject,
  InvalidKeyError,
  KeyNotFoundError,
  type Store,
  StoreUnavailableError,
} from '@percept/store';
import { dropOldest } from './drop-oldest.js';
import { CorruptJobRecordError, JobNotFoundError } from './errors.js';
import { decodeJobEvents } from './job-event.js';
import { eventsKey, JOBS_FOLDER, recordKey, specKey } from './job-keys.js';
import { decodeJobRecord, encodeJobRecord, isTerminal, type JobRecord, type JobStateName } from './job-record.js';
import { decodePageToken, encodePageToken } from './page-token.js';

export interface JobFilter {
  /** Empty: every kind. */
  readonly kinds: readonly string[];
  /** Empty: every state. */
  readonly states: readonly JobStateName[];
}

export interface JobPage {
  readonly jobs: readonly JobRecord[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

/** A change of a record; undefined leaves it as it is. */
export type JobChange = (record: JobRecord) => Omit<JobRecord, 'revision'> | undefined;

/** What a listing needs to know of a job to find its place in it. */
type JobEntry = Pick<JobRecord, 'id' | 'kind' | 'state' | 'createTime'>;

const CONFLICT_ATTEMPTS = 100;
const KNOWN_ENDED_JOBS = 200_000;
const CACHED_ENDED_RECORDS = 10_000;
/** Larger records are read again for every listing that shows them. */
const LARGEST_CACHED_BYTES = 8_192;
const CONCURRENT_READS = 16;

/** The jobs in the store. Every change is a conditional put, so that no two writers overwrite each other. */
export class JobRepository {
  readonly store: Store;
  // Ended jobs never change: a listing reads each of them once and then only those on its page.
  readonly #ended = new Map<string, JobEntry>();
  readonly #endedRecords = new Map<string, JobRecord>();

  constructor(store: Store) {
    this.store = store;
  }

  /** Stores spec and record unless the job exists; returns what is stored then. */
  async create(record: Omit<JobRecord, 'revision'>, spec: Uint8Array): Promise<JobRecord> {
    const existing = await findObject(this.store, recordKey(record.id));
    if (existing !== undefined) {
      return decodeJobRecord(record.id, existing.bytes);
    }
    // The same id comes with the same spec, or loses to the record below.
    await this.store.putIfAbsent(specKey(record.id), spec).catch(ignoreExisting);
    const created: JobRecord = { ...record, revision: randomUUID() };
    try {
      await this.store.putIfAbsent(recordKey(record.id), encodeJobRecord(created));
      return created;
    } catch (error) {
      if (error instanceof ConditionFailedError) {
        return await this.get(record.id);
      }
      throw error;
    }
  }

  /** @throws JobNotFoundError, CorruptJobRecordError. */
  async get(id: string): Promise<JobRecord> {
    return (await this.#read(id)).record;
  }

  /** @throws JobNotFoundError. */
  async readSpec(id: string): Promise<JobSpec> {
    try {
      return JobSpec.decode((await this.store.get(specKey(id))).bytes);
    } catch (error) {
      throw asJobNotFound(error, id);
    }
  }

  /** The events that are stored with the job; those of the last seconds may still be only on the bus. */
  async readEvents(id: string): Promise<readonly JobEvent[]> {
    const stored = await findObject(this.store, eventsKey(id));
    return stored === undefined ? [] : decodeJobEvents(stored.bytes);
  }

  /**
   * Applies a change to the newest record, again if another writer came first.
   *
   * @returns the record as it is now stored.
   * @throws JobNotFoundError, and whatever `change` throws.
   */
  async update(id: string, change: JobChange): Promise<JobRecord> {
    let written: string | undefined;
    for (let attempt = 1; ; attempt++) {
      const { record, etag } = await this.#read(id);
      if (record.revision === written) {
        // The put whose answer was lost had succeeded.
        return record;
      }
      const changed = change(record);
      if (changed === undefined) {
        return record;
      }
      const next: JobRecord = { ...changed, revision: randomUUID() };
      try {
        await this.store.putIfMatch(recordKey(id), encodeJobRecord(next), etag);
        return next;
      } catch (error) {
        const repeatable = error instanceof ConditionFailedError || error instanceof StoreUnavailableError;
        if (!repeatable || attempt === CONFLICT_ATTEMPTS) {
          throw error;
        }
        written = next.revision;
      }
    }
  }

  /**
   * Jobs from the newest to the oldest. Reads the records of the page, of all unfinished jobs, and of jobs that ended since the last listing.
   *
   * @throws InvalidPageTokenError.
   */
  async list(filter: JobFilter, pageSize: number, pageToken: string): Promise<JobPage> {
    const after = pageToken === '' ? undefined : decodePageToken(pageToken);
    const newest: JobEntry[] = [];
    for await (const entry of this.#entries()) {
      if (matches(filter, entry) && (after === undefined || newestFirst(after, entry) < 0)) {
        keepNewest(newest, entry, pageSize + 1);
      }
    }
    const page = newest.slice(0, pageSize);
    const jobs: JobRecord[] = [];
    for (let at = 0; at < page.length; at += CONCURRENT_READS) {
      jobs.push(...(await Promise.all(page.slice(at, at + CONCURRENT_READS).map((entry) => this.#recordOf(entry)))));
    }
    const last = page.at(-1);
    return { jobs, nextPageToken: last !== undefined && newest.length > page.length ? encodePageToken(last) : '' };
  }

  /** How many jobs match, counted to `most` at most. Reads the records of unfinished jobs and of jobs that ended since the last listing. */
  async count(filter: JobFilter, most: number): Promise<number> {
    let count = 0;
    for await (const entry of this.#entries()) {
      if (matches(filter, entry)) count += 1;
      if (count >= most) break;
    }
    return count;
  }

  /**
   * The state of a job, without reading the record of one that is known to have ended.
   *
   * @throws JobNotFoundError, CorruptJobRecordError.
   */
  async stateOf(id: string): Promise<JobStateName> {
    return (this.#ended.get(id) ?? (await this.get(id))).state;
  }

  /** Every job that has a readable record, in no order. */
  async *#entries(): AsyncGenerator<JobEntry, void, void> {
    let unknown: string[] = [];
    for await (const id of this.store.listFolders(JOBS_FOLDER)) {
      const known = this.#ended.get(id);
      if (known !== undefined) {
        yield known;
        continue;
      }
      unknown.push(id);
      if (unknown.length === CONCURRENT_READS) {
        yield* await this.#readAll(unknown);
        unknown = [];
      }
    }
    yield* await this.#readAll(unknown);
  }

  async #readAll(ids: readonly string[]): Promise<JobRecord[]> {
    const records = await Promise.all(
      ids.map(async (id) => {
        try {
          return await this.get(id);
        } catch (error) {
          // A submission that broke off between spec and record; a corrupt record must not hide all other jobs, and `get` tells of it.
          if (error instanceof JobNotFoundError || error instanceof CorruptJobRecordError) {
            return undefined;
          }
          throw error;
        }
      }),
    );
    return records.filter((record) => record !== undefined);
  }

  /** The entry itself where it is a whole record. */
  async #recordOf(entry: JobEntry): Promise<JobRecord> {
    if ('revision' in entry) {
      return entry as JobRecord;
    }
    return this.#endedRecords.get(entry.id) ?? (await this.get(entry.id));
  }

  async #read(id: string): Promise<{ record: JobRecord; etag: string }> {
    try {
      const { bytes, etag } = await this.store.get(recordKey(id));
      const record = decodeJobRecord(id, bytes);
      this.#remember(record, bytes.byteLength);
      return { record, etag };
    } catch (error) {
      throw asJobNotFound(error, id);
    }
  }

  #remember(record: JobRecord, size: number): void {
    if (!isTerminal(record.state)) {
      return;
    }
    const { id, kind, state, createTime } = record;
    this.#ended.set(id, { id, kind, state, createTime });
    dropOldest(this.#ended, KNOWN_ENDED_JOBS);
    if (size <= LARGEST_CACHED_BYTES) {
      this.#endedRecords.set(id, record);
      dropOldest(this.#endedRecords, CACHED_ENDED_RECORDS);
    }
  }
}

function matches({ kinds, states }: JobFilter, { kind, state }: JobEntry): boolean {
  return (kinds.length === 0 || kinds.includes(kind)) && (states.length === 0 || states.includes(state));
}

/** Puts an entry into its place among the newest, of which there are `most` at most. */
function keepNewest(newest: JobEntry[], entry: JobEntry, most: number): void {
  const oldest = newest.at(-1);
  if (newest.length === most && oldest !== undefined && newestFirst(oldest, entry) < 0) {
    return;
  }
  let low = 0;
  for (let high = newest.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (newestFirst(newest[middle] as JobEntry, entry) < 0) low = middle + 1;
    else high = middle;
  }
  newest.splice(low, 0, entry);
  if (newest.length > most) newest.pop();
}

/** An id that can be no key is no job's either. */
function asJobNotFound(error: unknown, id: string): unknown {
  return error instanceof KeyNotFoundError || error instanceof InvalidKeyError ? new JobNotFoundError(id) : error;
}

function ignoreExisting(error: unknown): void {
  if (!(error instanceof ConditionFailedError)) {
    throw error;
  }
}

function newestFirst(a: Pick<JobRecord, 'createTime' | 'id'>, b: Pick<JobRecord, 'createTime' | 'id'>): number {
  if (a.createTime !== b.createTime) {
    return a.createTime > b.createTime ? -1 : 1;
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
