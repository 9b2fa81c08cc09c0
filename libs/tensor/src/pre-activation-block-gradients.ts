import type * as tf from '@tensorflow/tfjs-core';
import { gradientBy } from './gradient-by.js';
import { type GradientTable, runKernel, runKernelForAll } from './kernel-call.js';
import { type BlockStatistics, type BlockWeights, composedBlockInference } from './pre-activation-block.js';
import type { Precision } from './precision.js';

interface BlockAttributes {
  readonly stride: number;
  readonly epsilon: number;
  readonly precision: Precision;
}

type Named = Record<string, tf.Tensor>;

const statisticNames = ['mean1', 'variance1', 'mean2', 'variance2'];

function named(names: readonly string[], tensors: readonly tf.Tensor[]): Named {
  return Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor]));
}

function attributesOf(attrs: tf.NamedAttrMap): { stride: number; epsilon: number; precision: Precision } {
  const { stride, epsilon, precision } = attrs as unknown as BlockAttributes;
  return { stride, epsilon, precision };
}

function inference(parts: Named, { stride, epsilon, precision }: BlockAttributes): tf.Tensor {
  const { x, ...rest } = parts as unknown as { x: tf.Tensor4D } & BlockWeights & BlockStatistics;
  return composedBlockInference(x, rest, rest, stride, epsilon, precision);
}

/** A gradient table with one entry per name. */
function tableOf(names: readonly string[], gradient: (name: string) => tf.Tensor): GradientTable {
  return Object.fromEntries(names.map((name) => [name, () => gradient(name)]));
}

function requireNoGradient(ofStatistics: readonly tf.Tensor[]): void {
  if (ofStatistics.some((gradient) => gradient.dataSync().some((value) => value !== 0))) {
    throw new Error("a block's statistics carry no gradient; use batchNormTrain where they should");
  }
}

function inferenceGradient(block: string, inputs: readonly string[]): tf.GradConfig {
  const names = [...inputs, ...statisticNames];
  return {
    kernelName: `${block}Inference`,
    inputsToSave: names,
    outputsToSave: [true],
    gradFunc: (gradient, tensors, attrs): GradientTable => {
      const dy = gradient as tf.Tensor;
      const parts = named(names, tensors);
      const y = tensors[names.length] as tf.Tensor;
      const options = attributesOf(attrs);
      return {
        ...tableOf(names, (name) =>
          gradientBy((part) => inference({ ...parts, [name]: part }, options), parts[name] as tf.Tensor, dy),
        ),
        x: () => runKernel(`${block}InferenceInputGrad`, { dy, y, ...parts }, options),
      };
    },
  };
}

function trainGradient(block: string, inputs: readonly string[]): tf.GradConfig {
  const outputs = ['y', ...statisticNames];
  return {
    kernelName: `${block}Train`,
    inputsToSave: [...inputs],
    outputsToSave: [true, true, true, true, true],
    gradFunc: (gradients, tensors, attrs): GradientTable => {
      const [dy, ...ofStatistics] = gradients as [tf.Tensor, ...tf.Tensor[]];
      requireNoGradient(ofStatistics);
      const parts = named([...inputs, ...outputs], tensors);
      // All gradients come from one kernel and are always wanted together, so it runs at once.
      const results = runKernelForAll<tf.Tensor[]>(`${block}TrainGrad`, { dy, ...parts }, attributesOf(attrs));
      return tableOf(inputs, (name) => results[inputs.indexOf(name)] as tf.Tensor);
    },
  };
}

const plainInputs = ['x', 'gamma1', 'beta1', 'filter1', 'gamma2', 'beta2', 'filter2'];
const projectionInputs = [...plainInputs, 'shortcut'];

/** First gradients of the native engine's residual blocks. Inside a gradient of a gradient the blocks are composed, so there is no second. */
export const preActivationBlockGradients: readonly tf.GradConfig[] = [
  inferenceGradient('PreActivationBlock', plainInputs),
  inferenceGradient('PreActivationProjectionBlock', projectionInputs),
  trainGradient('PreActivationBlock', plainInputs),
  trainGradient('PreActivationProjectionBlock', projectionInputs),
];
