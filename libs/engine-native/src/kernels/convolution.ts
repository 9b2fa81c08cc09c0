import { backend_util, type KernelConfig, type TensorInfo } from '@tensorflow/tfjs-core';
import { binaryOperations, unaryOperations } from '../addon.js';
import type { NativeBackend } from '../native-backend.js';
import { attributes, input, isFloat, type KernelCall, nativeKernel, sizeOf } from './native-kernel.js';

interface ConvolutionAttributes {
  readonly strides: number | [number, number];
  readonly pad: 'valid' | 'same' | number | backend_util.ExplicitPadding;
  readonly dataFormat?: 'NHWC' | 'NCHW';
  readonly dilations?: number | [number, number];
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface Sizes {
  readonly sizes: Int32Array;
  readonly inShape: number[];
  readonly filterShape: number[];
  readonly outShape: number[];
}

const known = new Map<string, Sizes | undefined>();

/** The 15 sizes the addon wants, or undefined for what it does not take. Kept per shape: working them out costs more than a small kernel. */
function convolutionSizes(xShape: number[], filterShape: number[], attrs: ConvolutionAttributes): Sizes | undefined {
  const { strides, pad, dataFormat, dilations, dimRoundingMode } = attrs;
  const key = `${xShape}|${filterShape}|${strides}|${pad}|${dataFormat}|${dilations}|${dimRoundingMode}`;
  if (known.has(key)) return known.get(key);
  if (known.size >= 1024) known.clear();
  const sizes = makeSizes(xShape, filterShape, attrs);
  known.set(key, sizes);
  return sizes;
}

function makeSizes(xShape: number[], filterShape: number[], attrs: ConvolutionAttributes): Sizes | undefined {
  if (attrs.dataFormat === 'NCHW' || xShape[3] !== filterShape[2]) return undefined;
  const c = backend_util.computeConv2DInfo(
    xShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs.strides,
    attrs.dilations ?? 1,
    attrs.pad,
    attrs.dimRoundingMode,
    false,
  );
  if (sizeOf(c.inShape) * sizeOf(c.outShape) * sizeOf(filterShape) === 0) return undefined;
  // oneDNN 2.6.3 gives wrong input gradients for some filters larger than the image.
  if (c.effectiveFilterHeight > c.inHeight || c.effectiveFilterWidth > c.inWidth) return undefined;
  const values = [
    ...[c.batchSize, c.inHeight, c.inWidth, c.inChannels, c.filterHeight, c.filterWidth, c.outChannels],
    ...[c.outHeight, c.outWidth, c.strideHeight, c.strideWidth, c.padInfo.top, c.padInfo.left],
    ...[c.dilationHeight, c.dilationWidth],
  ];
  const fits = (out: number, stride: number, filter: number, dilation: number, side: number, before: number): boolean =>
    (out - 1) * stride - before < side && (out - 1) * stride - before + (filter - 1) * dilation >= 0;
  if (
    !fits(c.outHeight, c.strideHeight, c.filterHeight, c.dilationHeight, c.inHeight, c.padInfo.top) ||
    !fits(c.outWidth, c.strideWidth, c.filterWidth, c.dilationWidth, c.inWidth, c.padInfo.left)
  ) {
    return undefined;
  }
  return { sizes: Int32Array.from(values), inShape: c.inShape, filterShape, outShape: c.outShape };
}

function forward(
  backend: NativeBackend,
  x: TensorInfo,
  filter: TensorInfo,
  attrs: ConvolutionAttributes,
): TensorInfo | undefined {
  if (!isFloat(x) || !isFloat(filter)) return undefined;
  const sizes = convolutionSizes(x.shape, filter.shape, attrs);
  if (sizes === undefined) return undefined;
  const { info, values } = backend.output(sizes.outShape.slice());
  backend.addon.convolution(backend.floats(x), backend.floats(filter), values, sizes.sizes);
  return info;
}

function fused(call: KernelCall): TensorInfo | undefined {
  const attrs = attributes<ConvolutionAttributes & { activation?: string }>(call);
  const { bias } = call.inputs;
  const relu = attrs.activation === 'relu';
  const filter = input(call, 'filter');
  if (attrs.activation && !relu && attrs.activation !== 'linear') return undefined;
  if (bias !== undefined && (!isFloat(bias) || sizeOf(bias.shape) !== filter.shape[3])) return undefined;
  const y = forward(call.backend, input(call, 'x'), filter, attrs);
  if (y === undefined) return undefined;
  const values = call.backend.floats(y);
  if (bias !== undefined) {
    const channels = filter.shape[3] as number;
    const dims = Int32Array.of(values.length / channels, channels);
    const { addon } = call.backend;
    const biases = call.backend.floats(bias);
    addon.binary(binaryOperations.Add, values, biases, values, dims, Int32Array.of(channels, 1), Int32Array.of(0, 1));
  }
  if (relu) call.backend.addon.unary(unaryOperations.Relu, values, values, 0, 0);
  return y;
}

export const convolutionKernels: readonly (() => KernelConfig)[] = [
  () =>
    nativeKernel('Conv2D', (call) => forward(call.backend, input(call, 'x'), input(call, 'filter'), attributes(call))),
  () => nativeKernel('FusedConv2D', fused),
  () =>
    nativeKernel('Conv2DBackpropInput', (call) => {
      const { backend } = call;
      const dy = input(call, 'dy');
      const filter = input(call, 'filter');
      const attrs = attributes<ConvolutionAttributes & { inputShape: number[] }>(call);
      if (!isFloat(dy) || !isFloat(filter)) return undefined;
      const sizes = convolutionSizes(attrs.inputShape, filter.shape, attrs);
      if (sizes === undefined) return undefined;
      const { info, values } = backend.output(sizes.inShape.slice());
      backend.addon.convolutionInputGrad(backend.floats(dy), backend.floats(filter), values, sizes.sizes);
      return info;
    }),
  () =>
    nativeKernel('Conv2DBackpropFilter', (call) => {
      const { backend } = call;
      const x = input(call, 'x');
      const dy = input(call, 'dy');
      const attrs = attributes<ConvolutionAttributes & { filterShape: number[] }>(call);
      if (!isFloat(x) || !isFloat(dy)) return undefined;
      const sizes = convolutionSizes(x.shape, attrs.filterShape, attrs);
      if (sizes === undefined) return undefined;
      const { info, values } = backend.output(sizes.filterShape.slice());
      backend.addon.convolutionFilterGrad(backend.floats(x), backend.floats(dy), values, sizes.sizes);
      return info;
    }),
];
