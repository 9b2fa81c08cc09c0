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

const CONFLICT_ATTEMPTS = 100;
const CACHED_TERMINAL_RECORDS = 10_000;
const CONCURRENT_READS = 16;

/** The jobs in the store. Every change is a conditional put, so that no two writers overwrite each other. */
export class JobRepository {
  readonly store: Store;
  // Terminal records never change, so listings need not read them again.
  readonly #terminal = new Map<string, JobRecord>();

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
   * Jobs from the newest to the oldest.
   *
   * @throws InvalidPageTokenError.
   */
  async list(filter: JobFilter, pageSize: number, pageToken: string): Promise<JobPage> {
    const after = pageToken === '' ? undefined : decodePageToken(pageToken);
    const matching = (await this.#all())
      .filter(({ kind }) => filter.kinds.length === 0 || filter.kinds.includes(kind))
      .filter(({ state }) => filter.states.length === 0 || filter.states.includes(state))
      .sort(newestFirst)
      .filter((record) => after === undefined || newestFirst(after, record) < 0);
    const jobs = matching.slice(0, pageSize);
    const last = jobs.at(-1);
    return { jobs, nextPageToken: last !== undefined && matching.length > jobs.length ? encodePageToken(last) : '' };
  }

  async #all(): Promise<JobRecord[]> {
    const ids: string[] = [];
    for await (const id of this.store.listFolders(JOBS_FOLDER)) {
      ids.push(id);
    }
    const records: JobRecord[] = [];
    for (let at = 0; at < ids.length; at += CONCURRENT_READS) {
      const read = await Promise.all(ids.slice(at, at + CONCURRENT_READS).map((id) => this.#find(id)));
      records.push(...read.filter((record) => record !== undefined));
    }
    return records;
  }

  async #find(id: string): Promise<JobRecord | undefined> {
    const cached = this.#terminal.get(id);
    if (cached !== undefined) {
      return cached;
    }
    try {
      return await this.get(id);
    } catch (error) {
      // A submission that broke off between spec and record; a corrupt record must not hide all other jobs, and `get` tells of it.
      if (error instanceof JobNotFoundError || error instanceof CorruptJobRecordError) {
        return undefined;
      }
      throw error;
    }
  }

  async #read(id: string): Promise<{ record: JobRecord; etag: string }> {
    try {
      const { bytes, etag } = await this.store.get(recordKey(id));
      const record = decodeJobRecord(id, bytes);
      this.#remember(record);
      return { record, etag };
    } catch (error) {
      throw asJobNotFound(error, id);
    }
  }

  #remember(record: JobRecord): void {
    if (!isTerminal(record.state)) {
      return;
    }
    this.#terminal.set(record.id, record);
    if (this.#terminal.size > CACHED_TERMINAL_RECORDS) {
      const [oldest = ''] = this.#terminal.keys();
      this.#terminal.delete(oldest);
    }
  }
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
