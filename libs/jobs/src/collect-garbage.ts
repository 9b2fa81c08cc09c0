import { KeyNotFoundError, type ObjectInfo, type Store } from '@percept/store';
import { CorruptJobRecordError, InvalidPageTokenError, JobNotFoundError } from './errors.js';
import { checkpointKey, JOBS_FOLDER } from './job-keys.js';
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
  /** Where the page before ended; default: the beginning. */
  readonly pageToken?: string;
  /** How many folders of jobs to look into. Default 64. */
  readonly pageFolders?: number;
}

/** What one page of a collection removed, or would remove. */
export interface Garbage {
  readonly objects: number;
  readonly bytes: number;
  readonly keys: readonly string[];
  /** Empty on the last page. */
  readonly nextPageToken: string;
}

type Fate = JobStateName | 'ABSENT';

const DEFAULT_GRACE_MS = 3_600_000;
const DEFAULT_PAGE_FOLDERS = 64;
const CONCURRENT_FOLDERS = 16;
const HOURLY_MS = 3_600_000;
const UNUSED: readonly Fate[] = ['FAILED', 'CANCELLED', 'ABSENT'];

interface Rule {
  readonly folder: string;
  /** What of a job's folder may be garbage. */
  objectsOf(store: Store, job: string): AsyncIterable<ObjectInfo>;
  /** Whether an object of a job with this fate is of no more use to anyone. */
  isGarbage(fate: Fate): boolean;
}

const wholeFolder = (folder: string): Pick<Rule, 'folder' | 'objectsOf'> => ({
  folder,
  objectsOf: (store, job) => store.list(`${folder}${job}/`),
});

/** What jobs leave behind, by folder. */
const RULES: readonly Rule[] = [
  // Shards serve the job while it runs, and nobody after that.
  { ...wholeFolder(SHARDS_FOLDER), isGarbage: (fate) => fate === 'ABSENT' || isTerminal(fate) },
  { ...wholeFolder('attacks/'), isGarbage: (fate) => UNUSED.includes(fate) },
  { ...wholeFolder('reports/'), isGarbage: (fate) => UNUSED.includes(fate) },
  {
    folder: JOBS_FOLDER,
    // A spec without a record stays: its submission, sent again, counts on it.
    objectsOf: checkpointOf,
    isGarbage: (fate) => fate !== 'ABSENT' && isTerminal(fate),
  },
];

/**
 * Removes what ended and abandoned jobs left behind, from one page of the folders of jobs: shards and checkpoints of ended jobs, results of jobs that did
 * not succeed or do not exist. Records, specs, results of jobs that succeeded, models, and whatever belongs to an unfinished job or to one whose record
 * cannot be read stay.
 *
 * @throws InvalidPageTokenError, StoreUnavailableError, and the signal's reason when it aborts; what was removed by then stays removed.
 */
export async function collectGarbage(repository: JobRepository, options: GarbageOptions): Promise<Garbage> {
  const limits = { ...options, before: Date.now() - (options.graceMs ?? DEFAULT_GRACE_MS) };
  const { folders, nextPageToken } = await pageOf(repository.store, options);
  const removed: ObjectInfo[] = [];
  for (let at = 0; at < folders.length; at += CONCURRENT_FOLDERS) {
    options.signal?.throwIfAborted();
    const some = folders.slice(at, at + CONCURRENT_FOLDERS);
    const collected = await Promise.all(some.map(({ rule, job }) => collectFolder(repository, rule, job, limits)));
    removed.push(...collected.flat());
  }
  return {
    objects: removed.length,
    bytes: removed.reduce((sum, { size }) => sum + size, 0),
    keys: removed.map(({ key }) => key),
    nextPageToken,
  };
}

interface JobFolder {
  readonly rule: Rule;
  readonly job: string;
}

/** The next folders in the order of the rules, and of their names below each. A token is the last folder's path. */
async function pageOf(
  store: Store,
  { pageToken = '', pageFolders = DEFAULT_PAGE_FOLDERS }: GarbageOptions,
): Promise<{ readonly folders: readonly JobFolder[]; readonly nextPageToken: string }> {
  const position = pageToken === '' ? undefined : decodePosition(pageToken);
  const begun = position === undefined ? 0 : RULES.indexOf(position.rule);
  const folders: JobFolder[] = [];
  for (const rule of RULES.slice(begun)) {
    const after = rule === position?.rule ? position.job : undefined;
    for await (const job of store.listFolders(rule.folder, after)) {
      if (folders.length === pageFolders) {
        const { rule: lastRule, job: lastJob } = folders.at(-1) as JobFolder;
        return { folders, nextPageToken: Buffer.from(`${lastRule.folder}${lastJob}`).toString('base64url') };
      }
      folders.push({ rule, job });
    }
  }
  return { folders, nextPageToken: '' };
}

function decodePosition(token: string): JobFolder {
  const text = Buffer.from(token, 'base64url').toString();
  const rule = RULES.find(({ folder }) => text.startsWith(folder));
  const job = text.slice(rule?.folder.length);
  if (rule === undefined || !/^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/.test(job)) {
    throw new InvalidPageTokenError();
  }
  return { rule, job };
}

async function collectFolder(
  repository: JobRepository,
  { objectsOf, isGarbage }: Rule,
  job: string,
  { before, dryRun, signal }: GarbageOptions & { readonly before: number },
): Promise<ObjectInfo[]> {
  const objects: ObjectInfo[] = [];
  for await (const object of objectsOf(repository.store, job)) {
    if (object.modified.getTime() <= before) objects.push(object);
  }
  if (objects.length === 0) return [];
  // Looked at after the objects: what a job writes later is not on the list, and an ended job stays ended.
  const fate = await fateOf(repository, job);
  if (fate === undefined || !isGarbage(fate)) return [];
  if (dryRun) return objects;
  for (const { key } of objects) {
    signal?.throwIfAborted();
    await repository.store.delete(key);
  }
  return objects;
}

async function* checkpointOf(store: Store, job: string): AsyncGenerator<ObjectInfo, void, void> {
  try {
    yield await store.stat(checkpointKey(job));
  } catch (error) {
    if (!(error instanceof KeyNotFoundError)) throw error;
  }
}

/** Undefined where the record cannot be read: nobody knows whether the job needs its objects. */
async function fateOf(repository: JobRepository, job: string): Promise<Fate | undefined> {
  try {
    return await repository.stateOf(job);
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
          const { signal } = this.#abort;
          let pageToken = '';
          do {
            ({ nextPageToken: pageToken } = await collectGarbage(repository, { dryRun: false, signal, pageToken }));
          } while (pageToken !== '');
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
