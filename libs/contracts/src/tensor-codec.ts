import { endianness } from 'node:os';
import type { FieldViolation } from './error-details.js';
import { DataType, type Tensor } from './gen/percept/v1/tensor.js';

/** The array types of tensors: float32, int32 and uint8. */
export type TensorData = Float32Array | Int32Array | Uint8Array;

/** A tensor in memory: row-major elements of the given shape. */
export interface HostTensor<Data extends TensorData = TensorData> {
  readonly shape: readonly number[];
  readonly data: Data;
}

/** What a tensor must be; whatever is absent is not checked. */
export interface TensorExpectation {
  /** One of these types. */
  readonly dtypes?: readonly ('FLOAT32' | 'INT32' | 'UINT8')[];
  /** One entry per dimension; null stands for any length of at least 1. */
  readonly shape?: readonly (number | null)[];
}

/** A tensor message that breaks its rules; names every violation by field path. */
export class InvalidTensorError extends Error {
  override readonly name = 'InvalidTensorError';
  readonly violations: readonly FieldViolation[];

  constructor(violations: readonly FieldViolation[]) {
    super(violations.map(({ field, description }) => `${field}: ${description}`).join('; '));
    this.violations = violations;
  }
}

const elementBytes: Readonly<Record<number, number>> = {
  [DataType.FLOAT32]: 4,
  [DataType.INT32]: 4,
  [DataType.UINT8]: 1,
};
const mostDimensions = 8;

if (endianness() !== 'LE') throw new Error('tensors are little-endian, and so must this machine be');

/** Makes a message of elements and shape, without copying; throws InvalidTensorError when they do not match. */
export function encodeTensor(data: TensorData, shape: readonly number[]): Tensor {
  if (elementsOf(shape) !== data.length) {
    throw new InvalidTensorError([
      { field: 'shape', description: `[${shape.join(', ')}] does not hold ${data.length} elements` },
    ]);
  }
  return {
    dtype: dataTypeOf(data),
    shape: [...shape],
    data: new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength),
  };
}

/**
 * Reads a message into typed elements; copies only where the bytes are not aligned.
 *
 * @param field path of the tensor within its request, for violations.
 * @throws InvalidTensorError with every violation: absent, unknown dtype, a zero dimension, a size that does not match, or not as expected.
 */
export function decodeTensor(tensor: Tensor | undefined, field: string, expected: TensorExpectation = {}): HostTensor {
  if (tensor === undefined) throw new InvalidTensorError([{ field, description: 'must be given' }]);
  const violations: FieldViolation[] = [];
  const size = elementBytes[tensor.dtype];
  if (size === undefined) {
    violations.push({ field: `${field}.dtype`, description: 'must be FLOAT32, INT32 or UINT8' });
  } else if (expected.dtypes !== undefined && !expected.dtypes.some((name) => DataType[name] === tensor.dtype)) {
    violations.push({ field: `${field}.dtype`, description: `must be ${expected.dtypes.join(' or ')}` });
  }
  const shapeProblem = shapeViolation(tensor.shape, expected.shape);
  if (shapeProblem !== undefined) violations.push({ field: `${field}.shape`, description: shapeProblem });
  else if (size !== undefined && elementsOf(tensor.shape) * size !== tensor.data.byteLength) {
    violations.push({
      field: `${field}.data`,
      description: `must hold ${elementsOf(tensor.shape) * size} bytes for shape [${tensor.shape.join(', ')}], got ${tensor.data.byteLength}`,
    });
  }
  if (violations.length > 0) throw new InvalidTensorError(violations);
  return { shape: tensor.shape, data: viewOf(tensor) };
}

/** Pixels in [0, 1] of the bytes of UINT8 images: value / 255, rounded to float32. */
export function pixelsOfBytes(bytes: Uint8Array): Float32Array {
  const pixels = new Float32Array(bytes.length);
  for (let i = 0; i < bytes.length; i++) pixels[i] = (bytes[i] as number) / 255;
  return pixels;
}

/**
 * Reads images, FLOAT32 in [0, 1] or UINT8, into float32 pixels in [0, 1].
 *
 * @param shape [height, width, channels] that the images must have; null stands for any.
 * @throws InvalidTensorError with every violation, a pixel outside [0, 1] or not a number included.
 */
export function decodeImages(
  tensor: Tensor | undefined,
  field: string,
  shape: readonly [number | null, number | null, number | null] = [null, null, null],
): HostTensor<Float32Array> {
  const { shape: found, data } = decodeTensor(tensor, field, {
    dtypes: ['FLOAT32', 'UINT8'],
    shape: [null, ...shape],
  });
  if (data instanceof Uint8Array) return { shape: found, data: pixelsOfBytes(data) };
  const pixels = data as Float32Array;
  const wrong = pixels.findIndex((value) => !(value >= 0 && value <= 1));
  if (wrong >= 0) {
    throw new InvalidTensorError([
      { field: `${field}.data`, description: `pixels must lie in [0, 1]; element ${wrong} is ${pixels[wrong]}` },
    ]);
  }
  return { shape: found, data: pixels };
}

function dataTypeOf(data: TensorData): DataType {
  if (data instanceof Float32Array) return DataType.FLOAT32;
  return data instanceof Int32Array ? DataType.INT32 : DataType.UINT8;
}

function elementsOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

function shapeViolation(
  shape: readonly number[],
  expected: readonly (number | null)[] | undefined,
): string | undefined {
  if (shape.length > mostDimensions) return `must have at most ${mostDimensions} dimensions`;
  if (shape.some((length) => length === 0)) return `must have no dimension of length 0, got [${shape.join(', ')}]`;
  if (expected === undefined) return undefined;
  const matches =
    shape.length === expected.length && expected.every((length, axis) => length === null || length === shape[axis]);
  if (matches) return undefined;
  return `must be [${expected.map((length) => length ?? 'any').join(', ')}], got [${shape.join(', ')}]`;
}

function viewOf({ dtype, data }: Tensor): TensorData {
  if (dtype === DataType.UINT8) return data;
  // A decoded message is a view into the received buffer and may begin at any byte; the slice of a Buffer would share its memory.
  const aligned = data.byteOffset % 4 === 0 ? data : Uint8Array.from(data);
  const elements = aligned.byteLength / 4;
  return dtype === DataType.FLOAT32
    ? new Float32Array(aligned.buffer, aligned.byteOffset, elements)
    : new Int32Array(aligned.buffer, aligned.byteOffset, elements);
}
