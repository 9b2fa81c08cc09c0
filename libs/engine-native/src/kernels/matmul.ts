import { broadcast_util, type KernelConfig, type TensorInfo } from '@tensorflow/tfjs-core';
import { unaryOperations } from '../addon.js';
import type { NativeBackend } from '../native-backend.js';
import { attributes, input, isFloat, type KernelCall, nativeKernel, sizeOf } from './native-kernel.js';

interface MatmulAttributes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly activation?: string;
}

interface Product {
  readonly info: TensorInfo;
  readonly values: Float32Array;
}

function product(
  backend: NativeBackend,
  a: TensorInfo,
  b: TensorInfo,
  bias: TensorInfo | undefined,
  { transposeA, transposeB }: MatmulAttributes,
): Product | undefined {
  const rank = a.shape.length;
  const bRank = b.shape.length;
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const m = transposeA ? aColumns : aRows;
  const k = transposeA ? aRows : aColumns;
  const n = transposeB ? bRows : bColumns;
  if (k !== (transposeB ? bColumns : bRows)) return undefined;
  const aOuter = a.shape.slice(0, rank - 2);
  const bOuter = b.shape.slice(0, bRank - 2);
  const outer = broadcast_util.assertAndGetBroadcastShape(aOuter, bOuter);
  const batch = sizeOf(outer);
  const aBatch = sizeOf(aOuter);
  const bBatch = sizeOf(bOuter);
  if (batch * m * n * k === 0) return undefined;
  if ((aBatch !== batch && aBatch !== 1) || (bBatch !== batch && bBatch !== 1)) return undefined;
  if (bias !== undefined && (!isFloat(bias) || sizeOf(bias.shape) !== n)) return undefined;
  const { info, values } = backend.output([...outer, m, n]);
  backend.addon.matmul(
    backend.floats(a),
    backend.floats(b),
    bias === undefined ? null : backend.floats(bias),
    values,
    batch,
    m,
    n,
    k,
    transposeA,
    transposeB,
    aBatch === 1 ? 0 : m * k,
    bBatch === 1 ? 0 : k * n,
  );
  return { info, values };
}

function operandsAreFloats(call: KernelCall): boolean {
  return isFloat(input(call, 'a')) && isFloat(input(call, 'b'));
}

export const matmulKernels: readonly (() => KernelConfig)[] = [
  () =>
    nativeKernel('BatchMatMul', (call) =>
      operandsAreFloats(call)
        ? product(call.backend, input(call, 'a'), input(call, 'b'), undefined, attributes(call))?.info
        : undefined,
    ),
  () =>
    nativeKernel('_FusedMatMul', (call) => {
      const attrs = attributes<MatmulAttributes>(call);
      const relu = attrs.activation === 'relu';
      if (!operandsAreFloats(call) || (attrs.activation && !relu && attrs.activation !== 'linear')) return undefined;
      const result = product(call.backend, input(call, 'a'), input(call, 'b'), call.inputs['bias'], attrs);
      if (result === undefined) return undefined;
      if (relu) call.backend.addon.unary(unaryOperations.Relu, result.values, result.values, 0, 0);
      return result.info;
    }),
];
