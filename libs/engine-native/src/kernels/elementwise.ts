import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { binaryOperations, unaryOperations } from '../addon.js';
import type { NativeBackend } from '../native-backend.js';
import { collapseBroadcast } from './broadcast.js';
import { attributes, input, isFloat, type KernelCall, nativeKernel, ownKernel, sameShape } from './native-kernel.js';

/** Applies a two-operand operation to float32 tensors, broadcasting; undefined where the addon does not take the shapes. */
export function computeBinary(
  backend: NativeBackend,
  operation: number,
  a: TensorInfo,
  b: TensorInfo,
): TensorInfo | undefined {
  if (sameShape(a.shape, b.shape)) {
    const { info, values } = backend.output(a.shape.slice());
    backend.addon.binary(operation, backend.floats(a), backend.floats(b), values);
    return info;
  }
  const broadcast = collapseBroadcast(a.shape, b.shape);
  if (broadcast === undefined) return undefined;
  const { dims, aStrides, bStrides } = broadcast;
  const { info, values } = backend.output(broadcast.shape);
  backend.addon.binary(operation, backend.floats(a), backend.floats(b), values, dims, aStrides, bStrides);
  return info;
}

/** Applies a one-operand operation to a float32 tensor. */
export function computeUnary(backend: NativeBackend, operation: number, x: TensorInfo, low = 0, high = 0): TensorInfo {
  const { info, values } = backend.output(x.shape.slice());
  backend.addon.unary(operation, backend.floats(x), values, low, high);
  return info;
}

function binary(name: keyof typeof binaryOperations): KernelConfig {
  const operation = binaryOperations[name];
  return nativeKernel(name, (call) => {
    const a = input(call, 'a');
    const b = input(call, 'b');
    return isFloat(a) && isFloat(b) ? computeBinary(call.backend, operation, a, b) : undefined;
  });
}

function unary(name: keyof typeof unaryOperations, bounds?: (call: KernelCall) => [number, number]): KernelConfig {
  const operation = unaryOperations[name];
  return nativeKernel(name, (call) => {
    const x = input(call, 'x');
    if (!isFloat(x)) return undefined;
    const [low, high] = bounds?.(call) ?? [0, 0];
    return computeUnary(call.backend, operation, x, low, high);
  });
}

export const elementwiseKernels: readonly (() => KernelConfig)[] = [
  () => binary('Add'),
  () => binary('Sub'),
  () => binary('Multiply'),
  () => binary('RealDiv'),
  () => binary('Maximum'),
  () => binary('Minimum'),
  () => binary('SquaredDifference'),
  () => unary('Relu'),
  () => unary('Step', (call) => [attributes<{ alpha: number }>(call).alpha, 0]),
  () => unary('Sign'),
  () => unary('Sqrt'),
  () => unary('Rsqrt'),
  () => unary('Square'),
  () => unary('Neg'),
  () => unary('Abs'),
  () => unary('Exp'),
  () => unary('Log'),
  () => unary('Sigmoid'),
  () => unary('Tanh'),
  () => unary('Reciprocal'),
  () => unary('Floor'),
  () =>
    unary('ClipByValue', (call) => {
      const { clipValueMin, clipValueMax } = attributes<{ clipValueMin: number; clipValueMax: number }>(call);
      return [clipValueMin, clipValueMax];
    }),
  () =>
    nativeKernel('Cast', (call) => {
      const x = input(call, 'x');
      const { dtype } = attributes<{ dtype: string }>(call);
      if (dtype !== 'float32' || (x.dtype !== 'int32' && x.dtype !== 'bool')) return undefined;
      const { info, values } = call.backend.output(x.shape.slice());
      values.set(call.backend.data.get(x.dataId).values as Int32Array | Uint8Array);
      return info;
    }),
  () =>
    ownKernel('ReluGrad', (call) => {
      const dy = input(call, 'dy');
      const x = input(call, 'x');
      const { info, values } = call.backend.output(x.shape.slice());
      call.backend.addon.binary(binaryOperations.ReluGrad, call.backend.floats(dy), call.backend.floats(x), values);
      return info;
    }),
];
