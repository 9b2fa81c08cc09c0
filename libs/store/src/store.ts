import type { Readable } from 'node:stream';

/** What the store knows of an object without reading it. */
export interface ObjectInfo {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
  /** Changes with every put; the token of `putIfMatch`. */
  readonly etag: string;
  readonly modified: Date;
}

export interface StoredObject {
  readonly bytes: Uint8Array;
  readonly etag: string;
}

export interface PutResult {
  readonly etag: string;
  readonly size: number;
  /** Lower-case hexadecimal digest of what was written. */
  readonly sha256: string;
}

export interface PutOptions {
  /** Refuses to store anything with another digest. */
  readonly sha256?: string;
}

export type Body = Uint8Array | AsyncIterable<Uint8Array>;

/**
 * Objects under keys such as `models/4f2a/weights.safetensors`.
 *
 * A put is atomic: readers see the old object or the new one, and a failed or interrupted put leaves the old. No key may be
 * another key's folder. Keys have segments of letters, digits, `.`, `_`, `-` that start with a letter, digit or `_`,
 * 255 bytes each at most, 900 in all.
 *
 * Every call may throw InvalidKeyError, StoreUnavailableError (retry later) or, when it writes, StoreFullError and KeyConflictError.
 */
export interface Store {
  /** Writes or replaces. @throws DigestMismatchError. */
  put(key: string, body: Body, options?: PutOptions): Promise<PutResult>;
  /** Writes unless the key exists: of any number of concurrent callers one wins. @throws ConditionFailedError. */
  putIfAbsent(key: string, bytes: Uint8Array): Promise<PutResult>;
  /** Replaces what has this etag, and nothing else. @throws ConditionFailedError when it changed or is gone. */
  putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutResult>;
  /** @throws KeyNotFoundError. */
  get(key: string): Promise<StoredObject>;
  /** The bytes as a stream, for objects that need not fit in memory. @throws KeyNotFoundError. */
  getStream(key: string): Promise<Readable>;
  /** @throws KeyNotFoundError. */
  stat(key: string): Promise<ObjectInfo>;
  /** Every object whose key starts with `prefix`, in byte order of the keys. */
  list(prefix: string): AsyncGenerator<ObjectInfo, void, void>;
  /**
   * The names directly below a folder such as `jobs/` that are folders themselves, in byte order of their keys, without slashes; with `after` those that
   * follow this one.
   */
  listFolders(folder: string, after?: string): AsyncGenerator<string, void, void>;
  /** Removes the object; a missing one is no error. */
  delete(key: string): Promise<void>;
  close(): Promise<void>;
}
