import { createHash } from 'node:crypto';

/** Bytes that are not what was packed. */
export class CorruptPackedValueError extends Error {
  override readonly name = 'CorruptPackedValueError';
}

/** An array of numbers that is stored on its own, under its digest. */
export interface PackedArray {
  /** SHA-256, hexadecimal. */
  readonly digest: string;
  readonly bytes: Uint8Array;
}

const ARRAYS = {
  Uint8Array,
  Int8Array,
  Uint16Array,
  Int16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
} as const;
type ArrayName = keyof typeof ARRAYS;
type NumberArray = InstanceType<(typeof ARRAYS)[ArrayName]>;

const DIGEST_BYTES = 32;
const LENGTH_BYTES = 4;
const MARK = '@packed';

/**
 * Plain data (objects, arrays, strings, numbers, typed arrays) as bytes: equal data gives equal bytes, every number comes back to the
 * bit, and a changed byte is noticed. Properties that are undefined are left out.
 *
 * @param apart takes the arrays of at least `apartBytes` bytes, which then have to be given to `unpackValue` by their digests.
 */
export function packValue(
  value: unknown,
  apart?: { readonly bytes: number; take(array: PackedArray): void },
): Uint8Array {
  const parts: Uint8Array[] = [];
  let size = 0;
  const header = JSON.stringify(
    skeleton(value, (array) => {
      const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
      if (apart !== undefined && bytes.byteLength >= apart.bytes) {
        const digest = createHash('sha256').update(bytes).digest('hex');
        apart.take({ digest, bytes });
        return { [MARK]: nameOf(array), digest };
      }
      const at = size;
      parts.push(bytes);
      size += bytes.byteLength;
      return { [MARK]: nameOf(array), at, bytes: bytes.byteLength };
    }),
  );
  const encoded = Buffer.from(header);
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32LE(encoded.byteLength);
  const body = Buffer.concat([length, encoded, ...parts]);
  return new Uint8Array(Buffer.concat([createHash('sha256').update(body).digest(), body]));
}

/** SHA-256 of a packed value's content, hexadecimal. */
export function packedDigest(packed: Uint8Array): string {
  return Buffer.from(packed.subarray(0, DIGEST_BYTES)).toString('hex');
}

/**
 * What `packValue` packed.
 *
 * @param load gives the bytes of an array that was put apart.
 * @throws CorruptPackedValueError, and whatever `load` throws.
 */
export async function unpackValue(
  packed: Uint8Array,
  load?: (digest: string) => Promise<Uint8Array>,
): Promise<unknown> {
  const body = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength).subarray(DIGEST_BYTES);
  if (body.byteLength < LENGTH_BYTES || createHash('sha256').update(body).digest('hex') !== packedDigest(packed)) {
    throw new CorruptPackedValueError('a stored value does not have its digest');
  }
  const start = LENGTH_BYTES + body.readUInt32LE(0);
  const header: unknown = JSON.parse(body.subarray(LENGTH_BYTES, start).toString());
  const data = body.subarray(start);
  return await revive(header, async (mark) => {
    if (typeof mark['digest'] === 'string') {
      return load === undefined ? new Uint8Array(0) : await loadVerified(mark['digest'], load);
    }
    const at = Number(mark['at']);
    return data.subarray(at, at + Number(mark['bytes']));
  });
}

async function loadVerified(digest: string, load: (digest: string) => Promise<Uint8Array>): Promise<Uint8Array> {
  const bytes = await load(digest);
  if (createHash('sha256').update(bytes).digest('hex') !== digest) {
    throw new CorruptPackedValueError(`a stored array does not have the digest ${digest}`);
  }
  return bytes;
}

function skeleton(value: unknown, pack: (array: NumberArray) => unknown): unknown {
  if (typeof value === 'number') {
    return Number.isFinite(value) && !Object.is(value, -0) ? value : { [MARK]: 'number', value: numberText(value) };
  }
  if (isNumberArray(value)) {
    return pack(value);
  }
  if (Array.isArray(value)) {
    return value.map((item) => skeleton(item, pack));
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    return Object.fromEntries(entries.map(([name, item]) => [name, skeleton(item, pack)]));
  }
  return value;
}

async function revive(
  value: unknown,
  bytesOf: (mark: Readonly<Record<string, unknown>>) => Promise<Uint8Array>,
): Promise<unknown> {
  if (Array.isArray(value)) {
    return await Promise.all(value.map((item) => revive(item, bytesOf)));
  }
  if (typeof value !== 'object' || value === null) {
    return value;
  }
  const mark = value as Record<string, unknown>;
  const kind = mark[MARK];
  if (kind === 'number') {
    return Number(mark['value']);
  }
  if (typeof kind === 'string' && kind in ARRAYS) {
    const bytes = await bytesOf(mark);
    // A copy: the bytes lie in a larger buffer, aligned to nothing.
    return new ARRAYS[kind as ArrayName](new Uint8Array(bytes).buffer);
  }
  const entries = await Promise.all(
    Object.entries(mark).map(async ([name, item]) => [name, await revive(item, bytesOf)] as const),
  );
  return Object.fromEntries(entries);
}

function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

function isNumberArray(value: unknown): value is NumberArray {
  return ArrayBuffer.isView(value) && nameOf(value) in ARRAYS;
}

/** A Buffer is a Uint8Array. */
function nameOf(value: ArrayBufferView): string {
  return Buffer.isBuffer(value) ? 'Uint8Array' : value.constructor.name;
}
