import * as tf from '@tensorflow/tfjs-core';

/** Whether the engine in use has a kernel; those of our own exist on the native engine only. */
export function hasKernel(name: string): boolean {
  return tf.getKernel(name, tf.getBackend()) !== undefined;
}

type Inputs = Readonly<Record<string, tf.Tensor>>;
type Attributes = Readonly<Record<string, number | boolean | string>>;

/** Runs a kernel with one result; it is recorded for differentiation. */
export function runKernel<T extends tf.Tensor>(name: string, inputs: Inputs, attributes: Attributes = {}): T {
  return tf.engine().runKernel(name, inputs, attributes as unknown as tf.NamedAttrMap) as T;
}

/** Runs a kernel with several results; it is recorded for differentiation. */
export function runKernelForAll<T extends readonly tf.Tensor[]>(
  name: string,
  inputs: Inputs,
  attributes: Attributes = {},
): T {
  return tf.engine().runKernel(name, inputs, attributes as unknown as tf.NamedAttrMap) as unknown as T;
}

/** What a gradient function answers: the gradient of each input, computed when asked for. */
export type GradientTable = Record<string, () => tf.Tensor>;
