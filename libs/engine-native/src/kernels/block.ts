import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { precisions } from '../addon.js';
import { attributes, input, type KernelCall, ownKernel, sizeOf } from './native-kernel.js';

interface BlockAttributes {
  readonly epsilon: number;
  readonly stride: number;
  readonly precision: keyof typeof precisions;
}

const inferenceInputs = [
  ...['x', 'gamma1', 'beta1', 'mean1', 'variance1', 'filter1'],
  ...['gamma2', 'beta2', 'mean2', 'variance2', 'filter2'],
];
const trainInputs = ['x', 'gamma1', 'beta1', 'filter1', 'gamma2', 'beta2', 'filter2'];
const trainStatistics = ['mean1', 'variance1', 'mean2', 'variance2'];

interface Geometry {
  readonly sizes: Int32Array;
  readonly xShape: number[];
  readonly yShape: number[];
  readonly innerLength: number;
}

function geometryOf(call: KernelCall): Geometry {
  const { stride, precision } = attributes<BlockAttributes>(call);
  const xShape = input(call, 'x').shape;
  const [batch, height, width, channels] = xShape as [number, number, number, number];
  const outChannels = input(call, 'filter1').shape[3] as number;
  const yShape = [batch, Math.floor((height - 1) / stride) + 1, Math.floor((width - 1) / stride) + 1, outChannels];
  const sizes = Int32Array.of(batch, height, width, channels, outChannels, stride, precisions[precision]);
  return { sizes, xShape, yShape, innerLength: sizeOf(yShape) };
}

function floats(call: KernelCall, names: readonly string[]): Float32Array[] {
  return names.map((name) => call.backend.floats(input(call, name)));
}

function shortcutOf(call: KernelCall): Float32Array | null {
  const { shortcut } = call.inputs;
  return shortcut === undefined ? null : call.backend.floats(shortcut);
}

/** What the first convolution gave in the forward pass, kept beside the block's output. */
function innerOf(call: KernelCall): Float32Array {
  const inner = call.backend.companion(input(call, 'y'));
  if (inner === undefined) throw new Error("a block's gradient needs the output of its own forward pass");
  return inner;
}

function kernelsOf(block: 'PreActivationBlock' | 'PreActivationProjectionBlock'): readonly (() => KernelConfig)[] {
  return [
    // {x, ..., filter2, shortcut?} -> y
    () =>
      ownKernel(`${block}Inference`, (call) => {
        const { backend } = call;
        const { sizes, yShape, innerLength } = geometryOf(call);
        const y = backend.output(yShape);
        const inner = backend.takeScratch(innerLength);
        const { epsilon } = attributes<BlockAttributes>(call);
        const parts = floats(call, inferenceInputs);
        backend.addon.blockInference(sizes, epsilon, ...parts, shortcutOf(call), inner, y.values);
        backend.setCompanion(y.info, inner);
        return y.info;
      }),
    // {dy, y, x, ..., filter2, shortcut?} -> dx
    () =>
      ownKernel(`${block}InferenceInputGrad`, (call) => {
        const { backend } = call;
        const { sizes, xShape, innerLength } = geometryOf(call);
        const dx = backend.output(xShape.slice());
        const dInner = backend.takeScratch(innerLength);
        const { epsilon } = attributes<BlockAttributes>(call);
        backend.addon.blockInferenceInputGrad(
          sizes,
          epsilon,
          ...floats(call, inferenceInputs),
          shortcutOf(call),
          innerOf(call),
          backend.floats(input(call, 'dy')),
          dInner,
          dx.values,
        );
        backend.giveBackScratch(dInner);
        return dx.info;
      }),
    // {x, ..., filter2, shortcut?} -> [y, mean1, variance1, mean2, variance2]
    () =>
      ownKernel(`${block}Train`, (call) => {
        const { backend } = call;
        const { sizes, xShape, yShape, innerLength } = geometryOf(call);
        const y = backend.output(yShape);
        const inner = backend.takeScratch(innerLength);
        const channels = [xShape[3], xShape[3], yShape[3], yShape[3]] as number[];
        const statistics = channels.map((count) => backend.output([count]));
        const { epsilon } = attributes<BlockAttributes>(call);
        backend.addon.blockTrain(
          sizes,
          epsilon,
          ...floats(call, trainInputs),
          shortcutOf(call),
          inner,
          y.values,
          ...statistics.map(({ values }) => values),
        );
        backend.setCompanion(y.info, inner);
        return [y.info, ...statistics.map(({ info }) => info)];
      }),
    // {dy, y, mean1, ..., variance2, x, ..., filter2, shortcut?} -> [dx, dGamma1, dBeta1, dFilter1, dGamma2, dBeta2, dFilter2, dShortcut?]
    () =>
      ownKernel(`${block}TrainGrad`, (call) => {
        const { backend } = call;
        const { sizes, innerLength } = geometryOf(call);
        const { shortcut } = call.inputs;
        const like = (info: TensorInfo): ReturnType<typeof backend.output> => backend.output(info.shape.slice());
        const gradients = trainInputs.map((name) => like(input(call, name)));
        const dShortcut = shortcut === undefined ? undefined : like(shortcut);
        const dInner = backend.takeScratch(innerLength);
        const { epsilon } = attributes<BlockAttributes>(call);
        backend.addon.blockTrainGrad(
          sizes,
          epsilon,
          ...floats(call, trainInputs),
          shortcutOf(call),
          innerOf(call),
          ...floats(call, trainStatistics),
          backend.floats(input(call, 'dy')),
          dInner,
          ...gradients.map(({ values }) => values),
          dShortcut?.values ?? null,
        );
        backend.giveBackScratch(dInner);
        const infos = gradients.map(({ info }) => info);
        return dShortcut === undefined ? infos : [...infos, dShortcut.info];
      }),
  ];
}

/**
 * The pre-activation residual block y = conv2(relu(bn2(conv1(relu(bn1(x)))))) + shortcut(x), 3x3 convolutions, as one kernel per direction.
 * Two names, since TF.js cannot save an input that is absent: one block adds x itself, the other has the input `shortcut`, a 1x1 filter.
 * The gradients take the block's output `y`, beside which the forward pass left the first convolution's result.
 */
export const blockKernels: readonly (() => KernelConfig)[] = [
  ...kernelsOf('PreActivationBlock'),
  ...kernelsOf('PreActivationProjectionBlock'),
];
