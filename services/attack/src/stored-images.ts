import {
  DataType,
  decodeImages,
  encodeTensor,
  type FieldViolation,
  type HostTensor,
  InvalidTensorError,
  isSha256Hex,
  keyOfStoreUri,
  rpcError,
  sha256Hex,
  type Tensor,
  type TensorRef,
} from '@percept/contracts';
import { KeyNotFoundError, type Store } from '@percept/store';
import { readSafetensors, SafetensorsError } from '@percept/tensor';

/** Where tensors for callers may lie: results of attack jobs and files of reports, which answers name, and what an operator puts into the store. */
const folders = ['attacks/', 'reports/', 'images/'];

/** The largest object that is read for a call. */
const mostBytes = 256 * 1024 * 1024;

/**
 * Reads the images that a reference names: an object of raw elements (`store:KEY`), or one tensor of a safetensors file (`store:KEY#NAME`).
 *
 * @param field path of the reference within its request, for violations.
 * @param shape [height, width, channels] that the images must have.
 * @throws InvalidTensorError with every violation; PerceptRpcError NOT_FOUND; the errors of the store.
 */
export async function readStoredImages(
  ref: TensorRef,
  store: Store,
  field: string,
  shape: readonly [number, number, number],
): Promise<HostTensor<Float32Array>> {
  const hash = ref.uri.indexOf('#');
  const [address, name] = hash < 0 ? [ref.uri] : [ref.uri.slice(0, hash), ref.uri.slice(hash + 1)];
  const key = keyOfStoreUri(address);
  const violations: FieldViolation[] = [];
  if (key === undefined || !folders.some((folder) => key.startsWith(folder)))
    violations.push({
      field: `${field}.uri`,
      description: `must be store:KEY or store:KEY#TENSOR below ${folders.join(', ')}, got "${ref.uri}"`,
    });
  if (!isSha256Hex(ref.sha256))
    violations.push({ field: `${field}.sha256`, description: 'must be 64 lower-case hex digits' });
  if (violations.length > 0) throw new InvalidTensorError(violations);
  const bytes = await readObject(store, key as string, field);
  if (sha256Hex(bytes) !== ref.sha256) refuse(`${field}.sha256`, 'the stored object has another SHA-256');
  const data = name === undefined ? bytes : tensorOf(bytes, name, ref, field);
  return decodeImages({ dtype: ref.dtype, shape: ref.shape, data }, field, shape);
}

async function readObject(store: Store, key: string, field: string): Promise<Uint8Array> {
  try {
    const { size } = await store.stat(key);
    if (size > mostBytes) refuse(`${field}.uri`, `the object holds ${size} bytes, at most ${mostBytes} are read`);
    return (await store.get(key)).bytes;
  } catch (error) {
    if (error instanceof KeyNotFoundError) throw rpcError('NOT_FOUND', `there is no object store:${key}`);
    throw error;
  }
}

/** The elements of one tensor of a safetensors file, which must have the type and shape that the reference says. */
function tensorOf(bytes: Uint8Array, name: string, ref: TensorRef, field: string): Uint8Array {
  let tensor: Tensor | undefined;
  try {
    const { tensors } = readSafetensors(bytes);
    const found = Object.hasOwn(tensors, name) ? tensors[name] : undefined;
    if (found === undefined)
      return refuse(`${field}.uri`, `the file has no tensor "${name}"; it has ${Object.keys(tensors).join(', ')}`);
    if (!(found.data instanceof Float32Array || found.data instanceof Uint8Array))
      return refuse(`${field}.uri`, `tensor "${name}" is ${found.dtype}; images are F32 or U8`);
    tensor = encodeTensor(found.data, found.shape);
  } catch (error) {
    if (error instanceof SafetensorsError) return refuse(`${field}.uri`, error.message);
    throw error;
  }
  if (tensor.dtype !== ref.dtype)
    refuse(`${field}.dtype`, `tensor "${name}" is ${tensor.dtype === DataType.UINT8 ? 'UINT8' : 'FLOAT32'}`);
  if (tensor.shape.join() !== ref.shape.join())
    refuse(`${field}.shape`, `tensor "${name}" is [${tensor.shape.join(', ')}], not [${ref.shape.join(', ')}]`);
  return tensor.data;
}

function refuse(field: string, description: string): never {
  throw new InvalidTensorError([{ field, description }]);
}
