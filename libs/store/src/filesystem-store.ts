import { createHash, randomUUID } from 'node:crypto';
import { type BigIntStats, createReadStream } from 'node:fs';
import { type FileHandle, link, mkdir, open, readdir, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { lockDirectory } from './directory-lock.js';
import {
  ConditionFailedError,
  DigestMismatchError,
  KeyConflictError,
  KeyNotFoundError,
  StoreUnavailableError,
} from './errors.js';
import { fromSystemError, systemErrorCode } from './file-errors.js';
import { KeyedMutex } from './keyed-mutex.js';
import { checkFolder, checkKey, checkPrefix, followsFolder } from './keys.js';
import type { Body, ObjectInfo, PutOptions, PutResult, Store, StoredObject } from './store.js';

const COMMIT_ATTEMPTS = 10;

/**
 * The store in a folder: every object is the file of its key. One process at a time may have it open.
 *
 * @throws StoreLockedError when another has.
 */
export async function filesystemStore(directory: string): Promise<Store> {
  await mkdir(directory, { recursive: true });
  const unlock = await lockDirectory(directory);
  // Only the holder of the lock writes here, so whatever lies there was left by a crash.
  const temporary = join(directory, '.temporary');
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary);
  return new FilesystemStore(directory, temporary, unlock);
}

interface WrittenFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

class FilesystemStore implements Store {
  readonly #root: string;
  readonly #temporary: string;
  readonly #unlock: () => Promise<void>;
  readonly #mutex = new KeyedMutex();

  constructor(root: string, temporary: string, unlock: () => Promise<void>) {
    this.#root = root;
    this.#temporary = temporary;
    this.#unlock = unlock;
  }

  async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    return await this.#write(key, body, options, (written, target) => rename(written, target));
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<PutResult> {
    return await this.#write(key, bytes, {}, async (written, target) => {
      try {
        await link(written, target);
      } catch (error) {
        throw systemErrorCode(error) === 'EEXIST' ? await this.#existing(key, target) : error;
      }
      await unlink(written);
    });
  }

  async putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutResult> {
    return await this.#write(key, bytes, {}, async (written, target) => {
      const found = await stat(target, { bigint: true }).catch(() => undefined);
      if (found === undefined || !found.isFile() || etagOf(found) !== etag) {
        throw new ConditionFailedError(key);
      }
      await rename(written, target);
    });
  }

  async get(key: string): Promise<StoredObject> {
    const { file, found } = await this.#open(key);
    try {
      return { bytes: await readWhole(file, Number(found.size)), etag: etagOf(found) };
    } catch (error) {
      throw fromSystemError(error, key);
    } finally {
      await file.close();
    }
  }

  async getStream(key: string): Promise<Readable> {
    const { file } = await this.#open(key);
    return createReadStream('', { fd: file });
  }

  async stat(key: string): Promise<ObjectInfo> {
    const { file, found } = await this.#open(key);
    await file.close();
    return infoOf(key, found);
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo, void, void> {
    checkPrefix(prefix);
    yield* this.#listFrom(prefix.slice(0, prefix.lastIndexOf('/') + 1), prefix);
  }

  async *listFolders(folder: string, after?: string): AsyncGenerator<string, void, void> {
    checkFolder(folder);
    for (const { name, isFolder } of await this.#entries(folder)) {
      if (isFolder && followsFolder(name, after)) {
        yield name;
      }
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#mutex.run(key, async () => {
      try {
        await unlink(join(this.#root, key));
      } catch (error) {
        const code = systemErrorCode(error);
        if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR' || code === 'EPERM') {
          return;
        }
        throw fromSystemError(error, key);
      }
      await this.#pruneFolders(dirname(key));
    });
  }

  async close(): Promise<void> {
    await this.#unlock();
  }

  async #write(
    key: string,
    body: Body,
    options: PutOptions,
    commit: (written: string, target: string) => Promise<void>,
  ): Promise<PutResult> {
    checkKey(key);
    const path = join(this.#temporary, randomUUID());
    try {
      const written = await writeFile(path, body);
      if (options.sha256 !== undefined && options.sha256 !== written.sha256) {
        throw new DigestMismatchError(key, options.sha256, written.sha256);
      }
      const etag = await this.#mutex.run(key, () => this.#commit(key, path, commit));
      return { etag, size: written.size, sha256: written.sha256 };
    } catch (error) {
      await rm(path, { force: true });
      throw fromSystemError(error, key);
    }
  }

  async #commit(
    key: string,
    written: string,
    commit: (written: string, target: string) => Promise<void>,
  ): Promise<string> {
    const target = join(this.#root, key);
    for (let attempt = 1; ; attempt++) {
      try {
        const created = await mkdir(dirname(target), { recursive: true });
        await commit(written, target);
        await syncFolders(dirname(target), created === undefined ? dirname(target) : dirname(created));
        return etagOf(await stat(target, { bigint: true }));
      } catch (error) {
        const code = systemErrorCode(error);
        if (code === 'EEXIST') {
          throw new KeyConflictError(key, { cause: error });
        }
        // A deletion nearby removed the folder, empty for a moment, under our feet.
        if (code !== 'ENOENT' || attempt === COMMIT_ATTEMPTS) {
          throw error;
        }
      }
    }
  }

  async #existing(key: string, target: string): Promise<Error> {
    const found = await stat(target).catch(() => undefined);
    return found?.isDirectory() === true ? new KeyConflictError(key) : new ConditionFailedError(key);
  }

  async #open(key: string): Promise<{ readonly file: FileHandle; readonly found: BigIntStats }> {
    checkKey(key);
    let file: FileHandle;
    try {
      file = await open(join(this.#root, key), 'r');
    } catch (error) {
      throw systemErrorCode(error) === 'ENOTDIR' ? new KeyNotFoundError(key) : fromSystemError(error, key);
    }
    let found: BigIntStats | undefined;
    try {
      found = await file.stat({ bigint: true });
    } catch (error) {
      throw fromSystemError(error, key);
    } finally {
      if (found?.isFile() !== true) await file.close();
    }
    if (!found.isFile()) throw new KeyNotFoundError(key);
    return { file, found };
  }

  async *#listFrom(folder: string, prefix: string): AsyncGenerator<ObjectInfo, void, void> {
    for (const { name, isFolder } of await this.#entries(folder)) {
      const key = `${folder}${name}`;
      if (isFolder && (`${key}/`.startsWith(prefix) || prefix.startsWith(`${key}/`))) {
        yield* this.#listFrom(`${key}/`, prefix);
      } else if (!isFolder && key.startsWith(prefix)) {
        const found = await stat(join(this.#root, key), { bigint: true }).catch(() => undefined);
        // Deleted since the folder was read.
        if (found !== undefined) {
          yield infoOf(key, found);
        }
      }
    }
  }

  /** In byte order of the keys, where a folder counts with its slash. */
  async #entries(folder: string): Promise<{ name: string; isFolder: boolean }[]> {
    try {
      const entries = await readdir(join(this.#root, folder), { withFileTypes: true });
      return entries
        .filter(({ name }) => !name.startsWith('.'))
        .map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }))
        .sort((a, b) => compareBytes(sortName(a), sortName(b)));
    } catch (error) {
      const code = systemErrorCode(error);
      if (code === 'ENOENT' || code === 'ENOTDIR') {
        return [];
      }
      throw fromSystemError(error, folder);
    }
  }

  async #pruneFolders(folder: string): Promise<void> {
    for (let at = folder; at !== '.'; at = dirname(at)) {
      try {
        await rmdir(join(this.#root, at));
      } catch {
        // Not empty, or removed by a neighbour's deletion: either way none of ours.
        return;
      }
    }
  }
}

/** The bytes of a file whose size is known, which never changes: a put makes a new file. */
async function readWhole(file: FileHandle, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; ) {
    const { bytesRead } = await file.read(bytes, at, size - at, at);
    if (bytesRead === 0) throw new StoreUnavailableError(`a file of ${size} bytes ends after ${at}`);
    at += bytesRead;
  }
  return bytes;
}

async function writeFile(path: string, body: Body): Promise<WrittenFile> {
  const hash = createHash('sha256');
  let size = 0;
  const file = await open(path, 'wx');
  try {
    for await (const chunk of body instanceof Uint8Array ? [body] : body) {
      hash.update(chunk);
      size += chunk.byteLength;
      await file.writeFile(chunk);
    }
    await file.sync();
  } finally {
    await file.close();
  }
  return { path, size, sha256: hash.digest('hex') };
}

/** Makes the new name, and the new folders above it up to `last`, survive a crash of the machine. */
async function syncFolders(first: string, last: string): Promise<void> {
  for (let at = first; ; at = dirname(at)) {
    const folder = await open(at, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
    if (at === last) {
      return;
    }
  }
}

function infoOf(key: string, found: BigIntStats): ObjectInfo {
  return { key, size: Number(found.size), etag: etagOf(found), modified: found.mtime };
}

/** Every put makes a new file, so inode and time of writing name one put. */
function etagOf(found: BigIntStats): string {
  return `${found.ino.toString(36)}-${found.mtimeNs.toString(36)}-${found.size.toString(36)}`;
}

function sortName(entry: { name: string; isFolder: boolean }): string {
  return entry.isFolder ? `${entry.name}/` : entry.name;
}

/** Keys are ASCII, where code units are bytes. */
function compareBytes(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
