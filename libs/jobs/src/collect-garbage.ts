import type { ObjectInfo } from '@percept/store';
import { CorruptJobRecordError, JobNotFoundError } from './errors.js';
import { JOBS_FOLDER } from './job-keys.js';
import { isTerminal, type JobStateName } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { SHARDS_FOLDER } from './shard-objects.js';

export interface GarbageOptions {
  /** Only tell what would be removed. */
  readonly dryRun: boolean;
  /** Younger objects stay: a submission may be about to refer to them. Default one hour, in milliseconds. */
  readonly graceMs?: number;
  /** Stops the collection between two objects. */
  readonly signal?: AbortSignal;
}

export interface Garbage {
  readonly objects: number;
  readonly bytes: number;
  readonly keys: readonly string[];
}

type Fate = JobStateName | 'ABSENT';

const DEFAULT_GRACE_MS = 3_600_000;
const HOURLY_MS = 3_600_000;
const UNUSED: readonly Fate[] = ['FAILED', 'CANCELLED', 'ABSENT'];

interface Rule {
  readonly folder: string;
  mayBeGarbage(name: string): boolean;
  /** Whether an object of a job with this fate is of no more use to anyone. */
  isGarbage(fate: Fate): boolean;
}

const every = (): boolean => true;

/** What jobs leave behind, by folder. */
const RULES: readonly Rule[] = [
  // Shards serve the job while it runs, and nobody after that.
  { folder: SHARDS_FOLDER, mayBeGarbage: every, isGarbage: (fate) => fate === 'ABSENT' || isTerminal(fate) },
  { folder: 'attacks/', mayBeGarbage: every, isGarbage: (fate) => UNUSED.includes(fate) },
  { folder: 'reports/', mayBeGarbage: every, isGarbage: (fate) => UNUSED.includes(fate) },
  {
    folder: JOBS_FOLDER,
    // A spec without a record stays: its submission, sent again, counts on it.
    mayBeGarbage: (name) => name === 'checkpoint',
    isGarbage: (fate) => fate !== 'ABSENT' && isTerminal(fate),
  },
];

/**
 * Removes what ended and abandoned jobs left behind: shards and checkpoints of ended jobs, results of jobs that did not succeed or
 * do not exist. Records, specs, results of jobs that succeeded, models, and whatever belongs to an unfinished job or to one whose record
 * cannot be read stay.
 *
 * @throws StoreUnavailableError, and the signal's reason when it aborts; what was removed by then stays removed.
 */
export async function collectGarbage(repository: JobRepository, options: GarbageOptions): Promise<Garbage> {
  const before = Date.now() - (options.graceMs ?? DEFAULT_GRACE_MS);
  const keys: string[] = [];
  let bytes = 0;
  for (const { folder, isGarbage, mayBeGarbage } of RULES) {
    for await (const job of repository.store.listFolders(folder)) {
      options.signal?.throwIfAborted();
      const objects: ObjectInfo[] = [];
      for await (const object of repository.store.list(`${folder}${job}/`)) {
        if (object.modified.getTime() <= before && mayBeGarbage(nameOf(object.key))) objects.push(object);
      }
      if (objects.length === 0) continue;
      // Looked at after the objects: what a job writes later is not on the list, and an ended job stays ended.
      const fate = await fateOf(repository, job);
      if (fate === undefined || !isGarbage(fate)) continue;
      for (const { key, size } of objects) {
        options.signal?.throwIfAborted();
        keys.push(key);
        bytes += size;
        if (!options.dryRun) {
          await repository.store.delete(key);
        }
      }
    }
  }
  return { objects: keys.length, bytes, keys };
}

function nameOf(key: string): string {
  return key.slice(key.lastIndexOf('/') + 1);
}

/** Undefined where the record cannot be read: nobody knows whether the job needs its objects. */
async function fateOf(repository: JobRepository, job: string): Promise<Fate | undefined> {
  try {
    return (await repository.get(job)).state;
  } catch (error) {
    if (error instanceof JobNotFoundError) {
      return 'ABSENT';
    }
    if (error instanceof CorruptJobRecordError) {
      return undefined;
    }
    throw error;
  }
}

/** Collects garbage every `everyMs` until it is closed. */
export class GarbageDuty {
  readonly #timer: NodeJS.Timeout;
  readonly #abort = new AbortController();
  #collecting: Promise<void> = Promise.resolve();

  constructor(repository: JobRepository, options: { everyMs?: number; onError: (error: unknown) => void }) {
    this.#timer = setInterval(() => {
      this.#collecting = this.#collecting
        .then(async () => {
          await collectGarbage(repository, { dryRun: false, signal: this.#abort.signal });
        })
        .catch((error: unknown) => {
          if (!this.#abort.signal.aborted) options.onError(error);
        });
    }, options.everyMs ?? HOURLY_MS);
  }

  /** Stops a collection that is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#abort.abort();
    await this.#collecting;
  }
}
