import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'minio';
import { DigestMismatchError, StoreUnavailableError } from './errors.js';
import { checkFolder, checkKey, checkPrefix, followsFolder } from './keys.js';
import { fromS3Error } from './s3-errors.js';
import type { Body, ObjectInfo, PutOptions, PutResult, Store, StoredObject } from './store.js';

export interface S3StoreOptions {
  /** Such as `http://127.0.0.1:9000` or `https://s3.eu-central-1.amazonaws.com`. */
  readonly endpoint: string;
  /** Created where it is missing. */
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Whether the bucket stands in the path, as own servers have it, or in the host name. Default true. */
  readonly pathStyle?: boolean;
}

/** S3 asks for at least 5 MiB a part but the last; streams are held in memory part by part. */
const PART_BYTES = 16 * 1024 * 1024;
const ATTEMPTS = 4;
const FIRST_DELAY_MS = 100;
const PAGE_KEYS = 1_000;

/**
 * The store in a bucket of any S3 server that honours `If-None-Match` and `If-Match` on PutObject.
 *
 * @throws StoreUnavailableError when the server cannot be reached or refuses the keys.
 */
export async function s3Store(options: S3StoreOptions): Promise<Store> {
  const { hostname, port, protocol } = new URL(options.endpoint);
  const region = options.region ?? 'us-east-1';
  const client = new Client({
    endPoint: hostname,
    useSSL: protocol === 'https:',
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    region,
    pathStyle: options.pathStyle ?? true,
    // The client would also repeat conditional puts, whose second try fails because the first succeeded.
    retryOptions: { disableRetry: true },
    ...(port === '' ? {} : { port: Number(port) }),
  });
  const store = new S3Store(client, options.bucket);
  await store.ensureBucket(region);
  return store;
}

class S3Store implements Store {
  readonly #client: Client;
  readonly #bucket: string;

  constructor(client: Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  async ensureBucket(region: string): Promise<void> {
    await this.#retried('', async () => {
      if (await this.#client.bucketExists(this.#bucket)) {
        return;
      }
      try {
        await this.#client.makeBucket(this.#bucket, region);
      } catch (error) {
        // Another process was first.
        if (!(await this.#client.bucketExists(this.#bucket))) {
          throw error;
        }
      }
    });
  }

  async put(key: string, body: Body, options: PutOptions = {}): Promise<PutResult> {
    checkKey(key);
    return body instanceof Uint8Array
      ? await this.#putBytes(key, body, options)
      : await this.#putStream(key, body, options);
  }

  async putIfAbsent(key: string, bytes: Uint8Array): Promise<PutResult> {
    checkKey(key);
    return await this.#once(key, () => this.#upload(key, bytes, { 'If-None-Match': '*' }));
  }

  async putIfMatch(key: string, bytes: Uint8Array, etag: string): Promise<PutResult> {
    checkKey(key);
    return await this.#once(key, () => this.#upload(key, bytes, { 'If-Match': `"${etag}"` }));
  }

  async get(key: string): Promise<StoredObject> {
    checkKey(key);
    return await this.#retried(key, async () => {
      const body = await this.#client.getObject(this.#bucket, key);
      const etag = etagOfResponse(body);
      const chunks: Buffer[] = [];
      for await (const chunk of body) {
        chunks.push(chunk as Buffer);
      }
      const bytes = Buffer.concat(chunks);
      return { bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), etag };
    });
  }

  async getStream(key: string): Promise<Readable> {
    checkKey(key);
    return await this.#retried(key, () => this.#client.getObject(this.#bucket, key));
  }

  async stat(key: string): Promise<ObjectInfo> {
    checkKey(key);
    return await this.#retried(key, async () => {
      const { size, etag, lastModified } = await this.#client.statObject(this.#bucket, key);
      return { key, size, etag, modified: lastModified };
    });
  }

  async *list(prefix: string): AsyncGenerator<ObjectInfo, void, void> {
    checkPrefix(prefix);
    for await (const entry of this.#pages(prefix, '')) {
      if (entry.name !== undefined) {
        yield { key: entry.name, size: entry.size, etag: entry.etag, modified: entry.lastModified };
      }
    }
  }

  async *listFolders(folder: string, after?: string): AsyncGenerator<string, void, void> {
    checkFolder(folder);
    // Behind every key of the folder `after`: `~` comes after all that keys are made of.
    const startAfter = after === undefined ? '' : `${folder}${after}/~`;
    for await (const entry of this.#pages(folder, '/', startAfter)) {
      if (entry.prefix === undefined) continue;
      const name = entry.prefix.slice(folder.length, -1);
      // Some servers take a folder that they have begun for one that follows.
      if (followsFolder(name, after)) yield name;
    }
  }

  async delete(key: string): Promise<void> {
    checkKey(key);
    await this.#retried(key, () => this.#client.removeObject(this.#bucket, key));
  }

  async close(): Promise<void> {}

  async #putBytes(key: string, bytes: Uint8Array, options: PutOptions): Promise<PutResult> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    checkDigest(key, options, sha256);
    return await this.#retried(key, () => this.#upload(key, bytes, {}));
  }

  async #upload(key: string, bytes: Uint8Array, headers: Record<string, string>): Promise<PutResult> {
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const { etag } = await this.#client.putObject(this.#bucket, key, asBuffer(bytes), bytes.byteLength, headers);
    return { etag, size: bytes.byteLength, sha256 };
  }

  /** Parts of our own: the client's stream upload resumes whatever unfinished upload it finds under the key. */
  async #putStream(key: string, body: AsyncIterable<Uint8Array>, options: PutOptions): Promise<PutResult> {
    const hash = createHash('sha256');
    let uploadId: string | undefined;
    let size = 0;
    const parts: { part: number; etag: string }[] = [];
    try {
      for await (const { bytes, isLast } of inParts(body)) {
        hash.update(bytes);
        size += bytes.byteLength;
        if (isLast && uploadId === undefined) {
          return await this.#putBytes(key, bytes, options);
        }
        uploadId ??= await this.#retried(key, () => this.#client.initiateNewMultipartUpload(this.#bucket, key, {}));
        parts.push(await this.#uploadPart(key, uploadId, parts.length + 1, bytes));
      }
      const sha256 = hash.digest('hex');
      checkDigest(key, options, sha256);
      const finishing = uploadId ?? '';
      const { etag } = await this.#once(key, () =>
        this.#client.completeMultipartUpload(this.#bucket, key, finishing, parts),
      );
      return { etag, size, sha256 };
    } catch (error) {
      if (uploadId !== undefined) {
        // What cannot be removed now is removed by the bucket's own rule for unfinished uploads.
        await this.#client.abortMultipartUpload(this.#bucket, key, uploadId).catch(() => undefined);
      }
      throw error;
    }
  }

  async #uploadPart(
    key: string,
    uploadID: string,
    partNumber: number,
    bytes: Uint8Array,
  ): Promise<{ part: number; etag: string }> {
    const md5 = createHash('md5').update(bytes).digest('base64');
    const headers = { 'Content-Length': String(bytes.byteLength), 'Content-MD5': md5 };
    return await this.#retried(key, async () => {
      const { etag } = await this.#client.uploadPart(
        { bucketName: this.#bucket, objectName: key, uploadID, partNumber, headers },
        asBuffer(bytes),
      );
      return { part: partNumber, etag };
    });
  }

  async *#pages(prefix: string, delimiter: string, startAfter = ''): AsyncGenerator<ListEntry, void, void> {
    let token = '';
    do {
      const page = await this.#retried(prefix, () =>
        this.#client.listObjectsV2Query(this.#bucket, prefix, token, delimiter, PAGE_KEYS, startAfter),
      );
      yield* page.objects as ListEntry[];
      token = page.isTruncated ? page.nextContinuationToken : '';
    } while (token !== '');
  }

  /** Repeats what may be repeated without harm. */
  async #retried<Result>(key: string, action: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(key, action);
      } catch (error) {
        if (!(error instanceof StoreUnavailableError) || attempt === ATTEMPTS) {
          throw error;
        }
        await sleep(FIRST_DELAY_MS * 2 ** attempt * (0.5 + Math.random() / 2));
      }
    }
  }

  async #once<Result>(key: string, action: () => Promise<Result>): Promise<Result> {
    try {
      return await action();
    } catch (error) {
      throw fromS3Error(error, key);
    }
  }
}

interface ListEntry {
  readonly name?: string;
  readonly prefix?: string;
  readonly size: number;
  readonly etag: string;
  readonly lastModified: Date;
}

async function* inParts(body: AsyncIterable<Uint8Array>): AsyncGenerator<{ bytes: Uint8Array; isLast: boolean }> {
  let chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    size += chunk.byteLength;
    if (size > PART_BYTES) {
      const joined = Buffer.concat(chunks);
      let at = 0;
      for (; joined.byteLength - at > PART_BYTES; at += PART_BYTES) {
        yield { bytes: joined.subarray(at, at + PART_BYTES), isLast: false };
      }
      chunks = [joined.subarray(at)];
      size = joined.byteLength - at;
    }
  }
  yield { bytes: Buffer.concat(chunks), isLast: true };
}

function checkDigest(key: string, options: PutOptions, sha256: string): void {
  if (options.sha256 !== undefined && options.sha256 !== sha256) {
    throw new DigestMismatchError(key, options.sha256, sha256);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The client hands out the HTTP response itself. */
function etagOfResponse(body: Readable): string {
  const headers = 'headers' in body ? (body.headers as { etag?: string }) : {};
  return (headers.etag ?? '').replaceAll('"', '');
}
