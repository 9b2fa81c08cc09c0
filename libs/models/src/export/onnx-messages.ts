import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** A field of a message of onnx.proto (IR version 8): its number, and a value that says how it is encoded. */
export type OnnxField =
  | readonly [number: number, kind: 'text', value: string]
  | readonly [number: number, kind: 'integer' | 'float', value: number]
  | readonly [number: number, kind: 'bytes' | 'message', value: Uint8Array];

/** Encodes a message from its fields, in the order given. */
export function onnxMessage(fields: readonly OnnxField[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [number, kind, value] of fields) {
    switch (kind) {
      case 'text':
        writer.uint32((number << 3) | 2).string(value);
        break;
      case 'integer':
        writer.uint32(number << 3).int64(value);
        break;
      case 'float':
        writer.uint32((number << 3) | 5).float(value);
        break;
      default:
        writer.uint32((number << 3) | 2).bytes(value);
    }
  }
  return writer.finish();
}

const float32 = 1;

/** A TensorProto of float32 values. */
export function onnxTensor(name: string, shape: readonly number[], values: Float32Array): Uint8Array {
  return onnxMessage([
    ...shape.map((side) => [1, 'integer', side] as const),
    [2, 'integer', float32],
    [8, 'text', name],
    [9, 'bytes', new Uint8Array(values.buffer, values.byteOffset, values.byteLength)],
  ]);
}

/** A ValueInfoProto of float32 values; a dimension given as text is of any length. */
export function onnxValue(name: string, shape: readonly (number | string)[]): Uint8Array {
  const dimensions = shape.map((side) =>
    onnxMessage([typeof side === 'number' ? [1, 'integer', side] : [2, 'text', side]]),
  );
  const tensorShape = onnxMessage(dimensions.map((dimension) => [1, 'message', dimension] as const));
  const tensorType = onnxMessage([
    [1, 'integer', float32],
    [2, 'message', tensorShape],
  ]);
  return onnxMessage([
    [1, 'text', name],
    [2, 'message', onnxMessage([[1, 'message', tensorType]])],
  ]);
}

/** An attribute of a node: an integer, a list of integers, or a float that says so. */
export type OnnxAttribute = number | readonly number[] | { readonly float: number };

/** A NodeProto. */
export function onnxNode(
  operator: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, OnnxAttribute>> = {},
): Uint8Array {
  return onnxMessage([
    ...inputs.map((input) => [1, 'text', input] as const),
    [2, 'text', output],
    [3, 'text', output],
    [4, 'text', operator],
    ...Object.entries(attributes).map(([name, value]) => [5, 'message', attribute(name, value)] as const),
  ]);
}

const attributeTypes = { float: 1, integer: 2, integers: 7 } as const;

function attribute(name: string, value: OnnxAttribute): Uint8Array {
  if (typeof value === 'number') {
    return onnxMessage([
      [1, 'text', name],
      [3, 'integer', value],
      [20, 'integer', attributeTypes.integer],
    ]);
  }
  if ('float' in value) {
    return onnxMessage([
      [1, 'text', name],
      [2, 'float', value.float],
      [20, 'integer', attributeTypes.float],
    ]);
  }
  return onnxMessage([
    [1, 'text', name],
    ...value.map((one) => [8, 'integer', one] as const),
    [20, 'integer', attributeTypes.integers],
  ]);
}
