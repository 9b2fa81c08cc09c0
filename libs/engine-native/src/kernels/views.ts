import { type KernelConfig, slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';
import { maximumRank } from './broadcast.js';
import { attributes, input, isFloat, nativeKernel, sizeOf } from './native-kernel.js';

/** Copies a strided view of x; joins axes that one stride walks. Undefined for an empty view or one of too many axes. */
function copyView(
  backend: NativeBackend,
  x: TensorInfo,
  shape: number[],
  dims: readonly number[],
  strides: readonly number[],
  offset: number,
): TensorInfo | undefined {
  if (sizeOf(dims) === 0) return undefined;
  const joinedDims: number[] = [];
  const joinedStrides: number[] = [];
  for (let axis = dims.length - 1; axis >= 0; axis--) {
    const side = dims[axis] as number;
    const stride = strides[axis] as number;
    if (side === 1) continue;
    const last = joinedDims.length - 1;
    const inner = joinedDims[last];
    if (inner !== undefined && stride === (joinedStrides[last] as number) * inner) joinedDims[last] = inner * side;
    else {
      joinedDims.push(side);
      joinedStrides.push(stride);
    }
  }
  if (joinedDims.length > maximumRank) return undefined;
  if (joinedDims.length === 0) {
    joinedDims.push(1);
    joinedStrides.push(1);
  }
  const { info, values } = backend.output(shape);
  backend.addon.copyStrided(
    backend.floats(x),
    offset,
    values,
    Int32Array.from(joinedDims.reverse()),
    Int32Array.from(joinedStrides.reverse()),
  );
  return info;
}

function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis] as number;
  }
  return strides;
}

export const viewKernels: readonly (() => KernelConfig)[] = [
  () =>
    nativeKernel('Transpose', (call) => {
      const x = input(call, 'x');
      if (!isFloat(x)) return undefined;
      const { perm } = attributes<{ perm: number[] }>(call);
      const strides = stridesOf(x.shape);
      const shape = perm.map((axis) => x.shape[axis] as number);
      const walk = perm.map((axis) => strides[axis] as number);
      return copyView(call.backend, x, shape, shape, walk, 0);
    }),
  () =>
    nativeKernel('Slice', (call) => {
      const x = input(call, 'x');
      if (!isFloat(x)) return undefined;
      const { begin, size } = attributes<{ begin: number | number[]; size: number | number[] }>(call);
      const [starts, shape] = slice_util.parseSliceParams(x as never, begin, size) as [number[], number[]];
      slice_util.assertParamsValid(x as never, starts, shape);
      const strides = stridesOf(x.shape);
      const offset = starts.reduce((sum, start, axis) => sum + start * (strides[axis] as number), 0);
      return copyView(call.backend, x, shape, shape, strides, offset);
    }),
  () =>
    nativeKernel('Tile', (call) => {
      const x = input(call, 'x');
      const { reps } = attributes<{ reps: number[] }>(call);
      if (!isFloat(x) || reps.length !== x.shape.length) return undefined;
      const strides = stridesOf(x.shape);
      const shape = x.shape.map((side, axis) => side * (reps[axis] as number));
      const dims = x.shape.flatMap((side, axis) => [reps[axis] as number, side]);
      const walk = strides.flatMap((stride) => [0, stride]);
      return copyView(call.backend, x, shape, dims, walk, 0);
    }),
  () =>
    nativeKernel('Fill', (call) => {
      const { shape, value, dtype } = attributes<{ shape: number[]; value: number | string; dtype?: string }>(call);
      const type = dtype ?? util.inferDtype(value);
      if (type !== 'float32' || typeof value !== 'number') return undefined;
      const { info, values } = call.backend.output(shape.slice());
      call.backend.addon.fill(values, value);
      return info;
    }),
  () =>
    nativeKernel('ZerosLike', (call) => {
      const x = input(call, 'x');
      if (!isFloat(x)) return undefined;
      const { info, values } = call.backend.output(x.shape.slice());
      call.backend.addon.fill(values, 0);
      return info;
    }),
];
