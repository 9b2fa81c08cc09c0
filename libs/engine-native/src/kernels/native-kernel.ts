import { getKernel, type KernelConfig, type NamedAttrMap, type TensorInfo } from '@tensorflow/tfjs-core';
import type { NativeBackend } from '../native-backend.js';

/** The name under which the backend is registered; TF.js allows no underscore in it. */
export const backendName = 'native';

/** One call of a kernel. */
export interface KernelCall {
  readonly inputs: Readonly<Record<string, TensorInfo>>;
  readonly attrs: Readonly<Record<string, unknown>>;
  readonly backend: NativeBackend;
}

export type KernelResult = TensorInfo | TensorInfo[];

/** A kernel of our own, which TF.js does not know. */
export function ownKernel(kernelName: string, compute: (call: KernelCall) => KernelResult): KernelConfig {
  return { kernelName, backendName, kernelFunc: (params) => compute(params as unknown as KernelCall) };
}

/** A native form of a TF.js kernel; where `compute` returns undefined (a type or shape it leaves alone), TF.js's JavaScript runs. */
export function nativeKernel(
  kernelName: string,
  compute: (call: KernelCall) => KernelResult | undefined,
): KernelConfig {
  const portable = getKernel(kernelName, 'cpu')?.kernelFunc;
  return {
    kernelName,
    backendName,
    kernelFunc: (params) => {
      const result = compute(params as unknown as KernelCall);
      if (result !== undefined) return result;
      if (portable === undefined) throw new Error(`the kernel ${kernelName} supports no such arguments`);
      return portable(params);
    },
  };
}

/** An input that must be there. */
export function input(call: KernelCall, name: string): TensorInfo {
  return call.inputs[name] as TensorInfo;
}

export function isFloat(info: TensorInfo): boolean {
  return info.dtype === 'float32';
}

export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const side of shape) size *= side;
  return size;
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  if (a.length !== b.length) return false;
  for (let axis = 0; axis < a.length; axis++) if (a[axis] !== b[axis]) return false;
  return true;
}

/** Attributes as the type that a kernel's documentation gives them. */
export function attributes<T>(call: KernelCall): T {
  return call.attrs as unknown as T;
}

export type { NamedAttrMap };
