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
}

export interface Garbage {
  readonly objects: number;
  readonly bytes: number;
  readonly keys: readonly string[];
}

type Fate = JobStateName | 'ABSENT';

const DEFAULT_GRACE_MS = 3_600_000;
const UNUSED: readonly Fate[] = ['FAILED', 'CANCELLED', 'ABSENT'];

/** What jobs leave behind, by folder, and whether an object of a job with this fate is of no more use to anyone. */
const RULES: readonly { readonly folder: string; isGarbage(fate: Fate, name: string): boolean }[] = [
  // Shards serve the job while it runs, and nobody after that.
  { folder: SHARDS_FOLDER, isGarbage: (fate) => fate === 'ABSENT' || isTerminal(fate) },
  { folder: 'attacks/', isGarbage: (fate) => UNUSED.includes(fate) },
  { folder: 'reports/', isGarbage: (fate) => UNUSED.includes(fate) },
  {
    folder: JOBS_FOLDER,
    isGarbage: (fate, name) => (name === 'checkpoint' ? fate !== 'ABSENT' && isTerminal(fate) : fate === 'ABSENT'),
  },
];

/**
 * Removes what ended and abandoned jobs left behind: shards and checkpoints of ended jobs, results of jobs that did not succeed or
 * do not exist. Records, results of jobs that succeeded, models, and whatever belongs to an unfinished job stay.
 */
export async function collectGarbage(repository: JobRepository, options: GarbageOptions): Promise<Garbage> {
  const before = Date.now() - (options.graceMs ?? DEFAULT_GRACE_MS);
  const keys: string[] = [];
  let bytes = 0;
  for (const { folder, isGarbage } of RULES) {
    for await (const job of repository.store.listFolders(folder)) {
      const objects: ObjectInfo[] = [];
      for await (const object of repository.store.list(`${folder}${job}/`)) {
        objects.push(object);
      }
      // Looked at after the objects: what a job writes later is not on the list, and an ended job stays ended.
      const fate = await fateOf(repository, job);
      for (const { key, size, modified } of objects) {
        const name = key.slice(key.lastIndexOf('/') + 1);
        if (fate === undefined || modified.getTime() > before || !isGarbage(fate, name)) {
          continue;
        }
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
  #collecting: Promise<void> = Promise.resolve();

  constructor(repository: JobRepository, options: { everyMs?: number; onError: (error: unknown) => void }) {
    this.#timer = setInterval(() => {
      this.#collecting = this.#collecting
        .then(async () => {
          await collectGarbage(repository, { dryRun: false });
        })
        .catch(options.onError);
    }, options.everyMs ?? DEFAULT_GRACE_MS);
  }

  /** Waits for a collection that is under way. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#collecting;
  }
}
