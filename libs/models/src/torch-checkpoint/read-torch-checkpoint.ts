import type { HostTensor } from '@percept/tensor';
import {
  type PickleDictionary,
  type PickleValue,
  type StorageReference,
  type StorageType,
  type TensorReference,
  unpickle,
} from './restricted-unpickler.js';
import { TorchCheckpointError } from './torch-checkpoint-error.js';
import { readZipEntries } from './zip-entries.js';

/** Under which key training scripts keep the weights beside other things. */
const usualKeys = ['state_dict', 'model_state_dict', 'model', 'net'] as const;

/** The most values of all tensors together; views may overlap, so the size of the file does not bound them. */
const mostValues = 2 ** 28;

const bytesPerElement: Record<StorageType, number> = {
  FloatStorage: 4,
  HalfStorage: 2,
  BFloat16Storage: 2,
  LongStorage: 8,
};

/**
 * Reads the named tensors of a checkpoint that `torch.save` wrote (zip format): a state dict, or a dictionary that holds one as `state_dict`,
 * `model_state_dict`, `model` or `net`. Float16 and bfloat16 values become float32, int64 values int32; offsets and strides are honoured.
 * No code of the file is run.
 *
 * @throws TorchCheckpointError.
 */
export function readTorchCheckpoint(bytes: Uint8Array): Record<string, HostTensor> {
  const entries = readZipEntries(bytes);
  const pickleName = [...entries.keys()].find((name) => /^[^/]+\/data\.pkl$/.test(name));
  if (pickleName === undefined) throw new TorchCheckpointError('it holds no data.pkl');
  const prefix = pickleName.slice(0, -'data.pkl'.length);
  const order = entries.get(`${prefix}byteorder`);
  if (order !== undefined && new TextDecoder().decode(order).trim() !== 'little') {
    throw new TorchCheckpointError('its numbers are big-endian; only little-endian ones are read');
  }
  const weights = stateDictionary(unpickle(entries.get(pickleName) as Uint8Array));
  const tensors: Record<string, HostTensor> = Object.create(null) as Record<string, HostTensor>;
  let values = 0;
  for (const [name, value] of weights) {
    if (typeof name !== 'string' || !isTensor(value)) {
      throw new TorchCheckpointError(`its entry ${String(name)} is no tensor`);
    }
    values += value.shape.reduce((product, side) => product * side, 1);
    if (values > mostValues) throw new TorchCheckpointError(`its tensors hold more than ${mostValues} values`);
    tensors[name] = readTensor(name, value, (key) => entries.get(`${prefix}data/${key}`));
  }
  return tensors;
}

function stateDictionary(root: PickleValue): PickleDictionary {
  if (!(root instanceof Map)) throw new TorchCheckpointError('it holds no dictionary of tensors');
  if ([...root.values()].some(isTensor)) return root;
  for (const key of usualKeys) {
    const inner = root.get(key);
    if (inner instanceof Map) return inner;
  }
  throw new TorchCheckpointError(`it holds no state dict, neither itself nor as ${usualKeys.join(', ')}`);
}

function isTensor(value: PickleValue): value is TensorReference {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tensor';
}

function readTensor(
  name: string,
  { storage, offset, shape, strides }: TensorReference,
  stored: (key: string) => Uint8Array | undefined,
): HostTensor {
  const read = storageReader(name, storage, stored(storage.key));
  const size = shape.reduce((product, side) => product * side, 1);
  const last = shape.reduce((at, side, axis) => at + Math.max(0, side - 1) * (strides[axis] as number), offset);
  if (size > 0 && last >= storage.length) {
    throw new TorchCheckpointError(`tensor ${name} reaches to element ${last} of a storage of ${storage.length}`);
  }
  const places = elementPlaces(offset, shape, strides, size);
  if (storage.type === 'LongStorage') return { dtype: 'I32', shape, data: Int32Array.from(places, read) };
  return { dtype: 'F32', shape, data: Float32Array.from(places, read) };
}

/** Where the elements of a strided view lie in its storage, row-major. */
function elementPlaces(
  offset: number,
  shape: readonly number[],
  strides: readonly number[],
  size: number,
): Float64Array {
  if (size === 0) return new Float64Array(0);
  let places = new Float64Array(1).fill(offset);
  for (const [axis, side] of shape.entries()) {
    const next = new Float64Array(places.length * side);
    for (const [i, place] of places.entries()) {
      for (let j = 0; j < side; j++) next[i * side + j] = place + j * (strides[axis] as number);
    }
    places = next;
  }
  return places;
}

function storageReader(
  name: string,
  { type, key, length }: StorageReference,
  bytes: Uint8Array | undefined,
): (element: number) => number {
  const needed = length * bytesPerElement[type];
  if (bytes === undefined || bytes.byteLength !== needed) {
    throw new TorchCheckpointError(
      `the storage ${key} of tensor ${name} ${bytes === undefined ? 'is missing' : `has ${bytes.byteLength} bytes, not ${needed}`}`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (type) {
    case 'FloatStorage':
      return (element) => view.getFloat32(4 * element, true);
    case 'HalfStorage':
      return (element) => float16(view.getUint16(2 * element, true));
    case 'BFloat16Storage':
      return (element) => bfloat16(view.getUint16(2 * element, true));
    case 'LongStorage':
      return (element) => int32(name, view.getBigInt64(8 * element, true));
  }
}

function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

function bfloat16(bits: number): number {
  word.setUint32(0, bits * 0x10000);
  return word.getFloat32(0);
}

function int32(name: string, value: bigint): number {
  if (BigInt.asIntN(32, value) !== value)
    throw new TorchCheckpointError(`tensor ${name} holds ${value}, beyond 32 bits`);
  return Number(value);
}
