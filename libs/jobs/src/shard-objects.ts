import { ConditionFailedError, findObject, KeyNotFoundError, type Store } from '@percept/store';
import { type PackedArray, packedDigest, packValue, unpackValue } from './packed-value.js';

/** Why a shard cannot be computed, whoever tries. */
export interface ShardFailure {
  readonly name: string;
  readonly message: string;
}

/** What became of a shard. */
export type ShardOutcome =
  | { readonly kind: 'result'; readonly value: unknown }
  | { readonly kind: 'failure'; readonly failure: ShardFailure };

/** A shard that is ready to be stored. */
export interface PackedShard {
  readonly id: string;
  /** Stores it with those of its arrays that are not `known`, and adds them there. */
  put(job: string, known: Set<string>): Promise<void>;
}

/** All shards of all jobs lie below `job-shards/<job>/`. */
export const SHARDS_FOLDER = 'job-shards/';

const APART_BYTES = 65_536;
const CACHED_BYTES = 256 * 1024 * 1024;

/**
 * The tasks and outcomes of shards in the store. A shard's id follows from its task and input, so that equal work finds its outcome;
 * large arrays, such as a model's weights, are stored once for all shards of a job.
 */
export class ShardObjects {
  readonly #store: Store;
  readonly #arrays = new Map<string, Uint8Array>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** What a shard would be stored as. */
  pack(task: string, input: unknown): PackedShard {
    const arrays = new Map<string, PackedArray>();
    const packed = packValue({ task, input }, { bytes: APART_BYTES, take: (array) => arrays.set(array.digest, array) });
    const id = `${task}-${packedDigest(packed).slice(0, 32)}`;
    return {
      id,
      put: async (job, known) => {
        for (const { digest, bytes } of arrays.values()) {
          if (!known.has(digest)) {
            known.add(digest);
            await this.#store.put(arrayKey(job, digest), bytes);
          }
        }
        await this.#store.put(`${folderOf(job)}${id}/task`, packed);
      },
    };
  }

  /** @throws KeyNotFoundError, CorruptPackedValueError. */
  async task(job: string, id: string): Promise<{ readonly task: string; readonly input: unknown }> {
    const { bytes } = await this.#store.get(`${folderOf(job)}${id}/task`);
    return (await unpackValue(bytes, (digest) => this.#array(job, digest))) as { task: string; input: unknown };
  }

  /** @throws CorruptPackedValueError, after which the shard counts as never computed. */
  async outcome(job: string, id: string): Promise<ShardOutcome | undefined> {
    const key = `${folderOf(job)}${id}/outcome`;
    const stored = await findObject(this.#store, key);
    if (stored === undefined) {
      return undefined;
    }
    try {
      return (await unpackValue(stored.bytes)) as ShardOutcome;
    } catch (error) {
      await this.#store.delete(key);
      throw error;
    }
  }

  async hasOutcome(job: string, id: string): Promise<boolean> {
    try {
      await this.#store.stat(`${folderOf(job)}${id}/outcome`);
      return true;
    } catch (error) {
      if (error instanceof KeyNotFoundError) {
        return false;
      }
      throw error;
    }
  }

  /** Of several workers that computed a shard the first one's outcome stays. */
  async finish(job: string, id: string, outcome: ShardOutcome): Promise<void> {
    await this.#store.putIfAbsent(`${folderOf(job)}${id}/outcome`, packValue(outcome)).catch((error: unknown) => {
      if (!(error instanceof ConditionFailedError)) {
        throw error;
      }
    });
  }

  /** Ids of the shards of a job that have an outcome. */
  async finished(job: string): Promise<Set<string>> {
    const ids = new Set<string>();
    for await (const { key } of this.#store.list(folderOf(job))) {
      const [, , id = '', name] = key.split('/');
      if (name === 'outcome') {
        ids.add(id);
      }
    }
    return ids;
  }

  async #array(job: string, digest: string): Promise<Uint8Array> {
    const known = this.#arrays.get(digest);
    const bytes = known ?? (await this.#store.get(arrayKey(job, digest))).bytes;
    this.#arrays.delete(digest);
    this.#arrays.set(digest, bytes);
    let total = 0;
    for (const kept of this.#arrays.values()) {
      total += kept.byteLength;
    }
    for (const [oldest, kept] of this.#arrays) {
      if (total <= CACHED_BYTES || oldest === digest) {
        break;
      }
      this.#arrays.delete(oldest);
      total -= kept.byteLength;
    }
    return bytes;
  }

  /** Forgets an array that turned out corrupt. */
  forgetArrays(): void {
    this.#arrays.clear();
  }
}

function folderOf(job: string): string {
  return `${SHARDS_FOLDER}${job}/`;
}

function arrayKey(job: string, digest: string): string {
  return `${folderOf(job)}arrays/${digest}`;
}
