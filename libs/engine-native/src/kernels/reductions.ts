import { backend_util, type KernelConfig, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { reduceOperations } from '../addon.js';
import { attributes, input, isFloat, type KernelCall, nativeKernel, sizeOf } from './native-kernel.js';

/** Sizes before, within and after the reduced axes; undefined unless these stand side by side. */
function split(shape: readonly number[], axes: readonly number[]): [number, number, number] | undefined {
  const sorted = [...axes].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const last = sorted[sorted.length - 1] ?? -1;
  for (let axis = first; axis <= last; axis++) {
    if (shape[axis] !== 1 && !sorted.includes(axis)) return undefined;
  }
  return [sizeOf(shape.slice(0, first)), sizeOf(shape.slice(first, last + 1)), sizeOf(shape.slice(last + 1))];
}

function reduction(name: keyof typeof reduceOperations, axisAttribute: 'axis' | 'reductionIndices'): KernelConfig {
  const operation = reduceOperations[name];
  return nativeKernel(name, (call: KernelCall): TensorInfo | undefined => {
    const x = input(call, 'x');
    if (!isFloat(x)) return undefined;
    const { [axisAttribute]: axis, keepDims } = attributes<{
      axis?: number | number[];
      reductionIndices?: number | number[];
      keepDims?: boolean;
    }>(call);
    const axes = util.parseAxisParam(axis as number[], x.shape);
    const sizes = split(x.shape, axes);
    if (sizes === undefined || sizes[0] * sizes[1] * sizes[2] === 0) return undefined;
    const [kept] = backend_util.computeOutAndReduceShapes(x.shape, axes);
    const shape = keepDims ? backend_util.expandShapeToKeepDim(kept, axes) : kept;
    const { info, values } = call.backend.output(shape);
    call.backend.addon.reduce(operation, call.backend.floats(x), values, ...sizes);
    return info;
  });
}

export const reductionKernels: readonly (() => KernelConfig)[] = [
  () => reduction('Sum', 'axis'),
  () => reduction('Mean', 'axis'),
  () => reduction('Max', 'reductionIndices'),
  () => reduction('Min', 'axis'),
  () =>
    nativeKernel('Softmax', (call) => {
      const logits = input(call, 'logits');
      const classes = logits.shape[logits.shape.length - 1] ?? 0;
      const { dim } = attributes<{ dim: number }>(call);
      if (!isFloat(logits) || dim !== logits.shape.length - 1 || sizeOf(logits.shape) === 0) return undefined;
      const { info, values } = call.backend.output(logits.shape.slice());
      call.backend.addon.softmax(call.backend.floats(logits), values, values.length / classes, classes, false);
      return info;
    }),
];
