/** Element types that Percept stores. */
export type SafetensorsDtype = 'F32' | 'I32' | 'U8';

type HostArray<Dtype extends SafetensorsDtype> = Dtype extends 'F32'
  ? Float32Array
  : Dtype extends 'I32'
    ? Int32Array
    : Uint8Array;

/** A tensor on the host: row-major values of one element type. */
export type HostTensor = {
  [Dtype in SafetensorsDtype]: {
    readonly dtype: Dtype;
    readonly shape: readonly number[];
    readonly data: HostArray<Dtype>;
  };
}[SafetensorsDtype];

/** The content of a safetensors file. */
export interface Safetensors {
  readonly tensors: Readonly<Record<string, HostTensor>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Thrown when bytes are not a sound safetensors file; the message says where. */
export class SafetensorsError extends Error {
  constructor(message: string) {
    super(`not a sound safetensors file: ${message}`);
    this.name = 'SafetensorsError';
  }
}

const maxHeaderBytes = 100_000_000;
const bytesPerElement: Record<SafetensorsDtype, number> = { F32: 4, I32: 4, U8: 1 };

interface Entry {
  readonly name: string;
  readonly dtype: SafetensorsDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Reads a safetensors file: checks the header, that every tensor's size fits its shape, and that tensors neither overlap nor leave gaps.
 * The tensors are copies, so the bytes may be reused. Throws SafetensorsError.
 */
export function readSafetensors(bytes: Uint8Array): Safetensors {
  if (bytes.byteLength < 8) throw new SafetensorsError(`${bytes.byteLength} bytes are too few for a header`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headerBytes = view.getUint32(0, true) + view.getUint32(4, true) * 2 ** 32;
  if (headerBytes > maxHeaderBytes || 8 + headerBytes > bytes.byteLength) {
    throw new SafetensorsError(`a header of ${headerBytes} bytes does not fit into ${bytes.byteLength} bytes`);
  }
  const header = parseHeader(bytes.subarray(8, 8 + headerBytes));
  const data = bytes.subarray(8 + headerBytes);
  const tensors: Record<string, HostTensor> = Object.create(null) as Record<string, HostTensor>;
  let position = 0;
  for (const entry of [...header.entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (entry.begin !== position)
      throw new SafetensorsError(`tensor ${entry.name} begins at ${entry.begin}, not ${position}`);
    if (entry.end > data.byteLength) throw new SafetensorsError(`tensor ${entry.name} ends beyond the file`);
    // Not data.slice(): that of a Buffer shares memory.
    tensors[entry.name] = hostTensor(entry, Uint8Array.from(data.subarray(entry.begin, entry.end)).buffer);
    position = entry.end;
  }
  if (position !== data.byteLength)
    throw new SafetensorsError(`${data.byteLength - position} bytes belong to no tensor`);
  return { tensors, metadata: header.metadata };
}

function hostTensor({ dtype, shape }: Entry, buffer: ArrayBuffer): HostTensor {
  switch (dtype) {
    case 'F32':
      return { dtype, shape, data: new Float32Array(buffer) };
    case 'I32':
      return { dtype, shape, data: new Int32Array(buffer) };
    case 'U8':
      return { dtype, shape, data: new Uint8Array(buffer) };
  }
}

function parseHeader(bytes: Uint8Array): { entries: Entry[]; metadata: Record<string, string> } {
  let parsed: unknown;
  try {
    parsed = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw new SafetensorsError(`its header is no JSON (${(error as Error).message})`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw new SafetensorsError('its header is no object');
  const { __metadata__: metadata = {}, ...rest } = parsed as Record<string, unknown>;
  return {
    entries: Object.entries(rest).map(([name, description]) => parseEntry(name, description)),
    metadata: parseMetadata(metadata),
  };
}

function parseMetadata(value: unknown): Record<string, string> {
  const sound =
    typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string');
  if (!sound) throw new SafetensorsError('its metadata is no table of strings');
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown): Entry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  if (dtype !== 'F32' && dtype !== 'I32' && dtype !== 'U8') {
    throw new SafetensorsError(`tensor ${name} has the element type ${String(dtype)}; F32, I32 and U8 are supported`);
  }
  if (!isCounts(shape)) throw new SafetensorsError(`tensor ${name} has no sound shape`);
  if (!isCounts(offsets) || offsets.length !== 2)
    throw new SafetensorsError(`tensor ${name} has no sound data_offsets`);
  const [begin, end] = offsets as [number, number];
  const size = shape.reduce((product, side) => product * side, bytesPerElement[dtype]);
  if (end - begin !== size) {
    throw new SafetensorsError(
      `tensor ${name} of shape [${shape.join(', ')}] takes ${size} bytes, its offsets give ${end - begin}`,
    );
  }
  return { name, dtype, shape, begin, end };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((count) => Number.isSafeInteger(count) && count >= 0);
}

/**
 * Writes tensors and metadata as a safetensors file; names are sorted, so equal content gives equal bytes.
 * Throws RangeError when a tensor's values do not fit its shape.
 */
export function writeSafetensors(
  tensors: Readonly<Record<string, HostTensor>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const names = Object.keys(tensors).sort();
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) {
    header['__metadata__'] = Object.fromEntries(Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  }
  let position = 0;
  for (const name of names) {
    const { dtype, shape, data } = tensors[name] as HostTensor;
    const count = shape.reduce((product, side) => product * side, 1);
    if (count !== data.length)
      throw new RangeError(`tensor ${name}: ${data.length} values do not fill [${shape.join(', ')}]`);
    header[name] = { dtype, shape, data_offsets: [position, position + data.byteLength] };
    position += data.byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(text.byteLength / 8) * 8;
  const bytes = new Uint8Array(8 + headerBytes + position).fill(0x20, 8, 8 + headerBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.set(text, 8);
  let at = 8 + headerBytes;
  for (const name of names) {
    const { data } = tensors[name] as HostTensor;
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}
