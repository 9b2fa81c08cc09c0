import * as tf from '@tensorflow/tfjs-core';
import { batchNormGradients } from './batch-norm-gradients.js';
import { crossEntropyGradients } from './cross-entropy-gradients.js';
import { type GradientTable, hasKernel, runKernel } from './kernel-call.js';
import { preActivationBlockGradients } from './pre-activation-block-gradients.js';
import { residualNetworkGradient } from './residual-network-gradients.js';

/** Gradient of an element-wise function whose derivative is computed from its input, so that it can be differentiated again. */
function fromInput(kernelName: string, inputName: string, derivative: (x: tf.Tensor) => tf.Tensor): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: [inputName],
    gradFunc: (dy, saved): GradientTable => ({
      [inputName]: () => tf.mul(dy as tf.Tensor, derivative(saved[0] as tf.Tensor)),
    }),
  };
}

/** Gradient of a function that is constant almost everywhere. */
function zeroGradient(kernelName: string, inputs: readonly string[]): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: [...inputs],
    gradFunc: (_dy, saved): GradientTable =>
      Object.fromEntries(inputs.map((name, i) => [name, () => tf.zerosLike(saved[i] as tf.Tensor)])),
  };
}

function axesOf(attrs: tf.NamedAttrMap, name: string, rank: number): number[] {
  const value = attrs[name] as number | number[] | null | undefined;
  const axes = typeof value === 'number' ? [value] : (value ?? []);
  return axes.length === 0
    ? Array.from({ length: rank }, (_, i) => i)
    : axes.map((axis) => (axis < 0 ? axis + rank : axis));
}

function keptShape(shape: readonly number[], axes: readonly number[]): number[] {
  return shape.map((side, axis) => (axes.includes(axis) ? 1 : side));
}

function sumLike(kernelName: string, weight: (reduced: number) => number): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attrs): GradientTable => ({
      x: () => {
        const { shape } = saved[0] as tf.Tensor;
        const axes = axesOf(attrs, 'axis', shape.length);
        const reduced = axes.reduce((product, axis) => product * (shape[axis] as number), 1);
        const spread = tf.fill([...shape], weight(reduced));
        return tf.mul(tf.reshape(dy as tf.Tensor, keptShape(shape, axes)), spread);
      },
    }),
  };
}

function extremum(kernelName: string): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attrs): GradientTable => ({
      x: () => {
        const x = saved[0] as tf.Tensor;
        const axes = axesOf(attrs, kernelName === 'Max' ? 'reductionIndices' : 'axis', x.rank);
        const y = kernelName === 'Max' ? tf.max(x, axes, true) : tf.min(x, axes, true);
        const attained = tf.cast(tf.equal(x, y), 'float32');
        return tf.mul(tf.reshape(dy as tf.Tensor, keptShape(x.shape, axes)), attained);
      },
    }),
  };
}

/** The sum of x over the axes along which `shape` was broadcast to it. */
function sumToShape(x: tf.Tensor, shape: readonly number[]): tf.Tensor {
  const axes = tf.broadcast_util.getReductionAxes([...shape], x.shape);
  return tf.reshape(axes.length === 0 ? x : tf.sum(x, axes), [...shape]);
}

/** dy where x > 0, and 0 elsewhere. */
function reluGradient(dy: tf.Tensor, x: tf.Tensor): tf.Tensor {
  return hasKernel('ReluGrad') ? runKernel('ReluGrad', { dy, x }) : tf.mul(dy, tf.step(x));
}

const softmaxOf = (attrs: tf.NamedAttrMap, x: tf.Tensor): tf.Tensor => tf.softmax(x, attrs['dim'] as number);

/**
 * Gradients that replace TF.js's own, which drop or misplace second-order terms: TF.js loses the link between a saved output and its
 * input, so whatever differentiates a gradient again silently misses those terms. These save inputs and recompute.
 */
const corrected: readonly tf.GradConfig[] = [
  fromInput('Exp', 'x', (x) => tf.exp(x)),
  fromInput('Sigmoid', 'x', (x) => {
    const y = tf.sigmoid(x);
    return tf.mul(y, tf.sub(1, y));
  }),
  fromInput('Tanh', 'x', (x) => tf.sub(1, tf.square(tf.tanh(x)))),
  fromInput('Elu', 'x', (x) => tf.where(tf.greater(x, 0), tf.onesLike(x), tf.exp(x))),
  {
    kernelName: 'Softmax',
    inputsToSave: ['logits'],
    gradFunc: (dy, saved, attrs): GradientTable => ({
      logits: () => {
        const y = softmaxOf(attrs, saved[0] as tf.Tensor);
        const weighted = tf.mul(dy as tf.Tensor, y);
        return tf.sub(weighted, tf.mul(tf.sum(weighted, [attrs['dim'] as number], true), y));
      },
    }),
  },
  {
    kernelName: 'LogSoftmax',
    inputsToSave: ['logits'],
    gradFunc: (dy, saved, attrs): GradientTable => ({
      logits: () => {
        const axis = attrs['axis'] as number;
        const y = tf.softmax(saved[0] as tf.Tensor, axis);
        return tf.sub(dy as tf.Tensor, tf.mul(tf.sum(dy as tf.Tensor, axis, true), y));
      },
    }),
  },
  {
    kernelName: 'Relu',
    inputsToSave: ['x'],
    gradFunc: (dy, saved): GradientTable => ({ x: () => reluGradient(dy as tf.Tensor, saved[0] as tf.Tensor) }),
  },
  {
    kernelName: 'ReluGrad',
    inputsToSave: ['dy', 'x'],
    gradFunc: (u, saved): GradientTable => {
      const x = saved[1] as tf.Tensor;
      return { dy: () => reluGradient(u as tf.Tensor, x), x: () => tf.zerosLike(x) };
    },
  },
  {
    kernelName: 'Pow',
    inputsToSave: ['a', 'b'],
    gradFunc: (gradient, saved): GradientTable => {
      const dy = gradient as tf.Tensor;
      const [base, exponent] = saved as [tf.Tensor, tf.Tensor];
      return {
        a: () => sumToShape(tf.mul(dy, tf.mul(exponent, tf.pow(base, tf.sub(exponent, 1)))), base.shape),
        b: () => {
          const logarithm = tf.where(tf.greater(base, 0), tf.log(base), tf.zerosLike(base));
          return sumToShape(tf.mul(dy, tf.mul(tf.pow(base, exponent), logarithm)), exponent.shape);
        },
      };
    },
  },
  {
    kernelName: 'FusedBatchNorm',
    inputsToSave: ['x', 'mean', 'variance', 'scale'],
    gradFunc: (gradient, saved, attrs): GradientTable => {
      const dy = gradient as tf.Tensor;
      const [x, mean, variance, scale] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor | undefined];
      const { varianceEpsilon } = attrs as unknown as { varianceEpsilon: number };
      const inverse = (): tf.Tensor => tf.rsqrt(tf.add(variance, varianceEpsilon));
      const scaled = (): tf.Tensor => (scale === undefined ? dy : tf.mul(dy, scale));
      const centred = (): tf.Tensor => tf.sub(x, mean);
      return {
        x: () => tf.mul(scaled(), inverse()),
        mean: () => sumToShape(tf.neg(tf.mul(scaled(), inverse())), mean.shape),
        variance: () => {
          const slope = tf.mul(tf.pow(inverse(), 3), -0.5);
          return sumToShape(tf.mul(tf.mul(scaled(), centred()), slope), variance.shape);
        },
        scale: () => sumToShape(tf.mul(dy, tf.mul(centred(), inverse())), mean.shape),
        offset: () => sumToShape(dy, mean.shape),
      };
    },
  },
  extremum('Max'),
  extremum('Min'),
  sumLike('Sum', () => 1),
  sumLike('Mean', (reduced) => 1 / reduced),
  {
    kernelName: 'Conv2DBackpropFilter',
    inputsToSave: ['x', 'dy'],
    gradFunc: (dy, saved, attrs): GradientTable => {
      const [x, outputGradient] = saved as [tf.Tensor4D, tf.Tensor4D];
      const { strides, pad, dataFormat, dimRoundingMode } = attrs as unknown as ConvolutionAttributes;
      const filter = dy as tf.Tensor4D;
      return {
        x: () =>
          tf.engine().runKernel('Conv2DBackpropInput', { dy: outputGradient, filter }, {
            strides,
            pad,
            dataFormat,
            dimRoundingMode,
            inputShape: x.shape,
          } as unknown as tf.NamedAttrMap),
        dy: () => tf.conv2d(x, filter, strides, pad as number, dataFormat, 1, dimRoundingMode),
      };
    },
  },
  {
    kernelName: 'AvgPoolGrad',
    inputsToSave: ['input'],
    gradFunc: (dy, saved, attrs): GradientTable => {
      const { filterSize, strides, pad } = attrs as unknown as PoolingAttributes;
      return {
        dy: () => tf.avgPool(dy as tf.Tensor4D, filterSize, strides, pad),
        input: () => tf.zerosLike(saved[0] as tf.Tensor),
      };
    },
  },
  {
    kernelName: 'Tile',
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attrs): GradientTable => ({
      x: () => {
        const { shape } = saved[0] as tf.Tensor;
        const reps = attrs['reps'] as number[];
        const split = shape.flatMap((side, axis) => [reps[axis] as number, side]);
        const repeats = shape.map((_, axis) => 2 * axis);
        return tf.sum(tf.reshape(dy as tf.Tensor, split), repeats);
      },
    }),
  },
  ...['Equal', 'NotEqual', 'Greater', 'GreaterEqual', 'Less', 'LessEqual', 'LogicalAnd', 'LogicalOr'].map((name) =>
    zeroGradient(name, ['a', 'b']),
  ),
  zeroGradient('LogicalNot', ['x']),
  ...batchNormGradients,
  ...crossEntropyGradients,
  ...preActivationBlockGradients,
  residualNetworkGradient,
];

interface ConvolutionAttributes {
  readonly strides: [number, number] | number;
  readonly pad: number | 'valid' | 'same';
  readonly dataFormat: 'NHWC' | 'NCHW';
  readonly dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

interface PoolingAttributes {
  readonly filterSize: [number, number] | number;
  readonly strides: [number, number] | number;
  readonly pad: number | 'valid' | 'same';
}

/** Registers the corrected gradients in TF.js's process-wide registry; safe to repeat. */
export function registerCorrectedGradients(): void {
  for (const gradient of corrected) {
    if (tf.getGradient(gradient.kernelName) !== undefined) tf.unregisterGradient(gradient.kernelName);
    tf.registerGradient(gradient);
  }
}
