import * as tf from '@tensorflow/tfjs-core';
import { type GradientTable, runKernel, runKernelForAll } from './kernel-call.js';

interface NormalisationAttributes {
  readonly epsilon: number;
  readonly relu: boolean;
}

const channelSum = (x: tf.Tensor): tf.Tensor => tf.sum(x, [0, 1, 2]);

function attributesOf(attrs: tf.NamedAttrMap): { epsilon: number; relu: boolean } {
  const { epsilon, relu } = attrs as unknown as NormalisationAttributes;
  return { epsilon, relu };
}

type Parts = readonly [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];

/** The part of dy that the relu after the normalisation lets through. */
function throughRelu(
  dy: tf.Tensor,
  [x, gamma, beta, mean, variance]: Parts,
  attrs: NormalisationAttributes,
): tf.Tensor {
  if (!attrs.relu) return dy;
  const before = runKernel('BatchNormInference', { x, gamma, beta, mean, variance }, { ...attrs, relu: false });
  return runKernel('ReluGrad', { dy, x: before });
}

const inference: tf.GradConfig = {
  kernelName: 'BatchNormInference',
  inputsToSave: ['x', 'gamma', 'beta', 'mean', 'variance'],
  gradFunc: (gradient, saved, attrs): GradientTable => {
    const dy = gradient as tf.Tensor;
    const parts = saved as unknown as Parts;
    const [x, gamma, beta, mean, variance] = parts;
    const options = attributesOf(attrs);
    const inverse = (): tf.Tensor => tf.rsqrt(tf.add(variance, options.epsilon));
    const masked = (): tf.Tensor => throughRelu(dy, parts, options);
    const againstCentred = (): tf.Tensor => channelSum(tf.mul(masked(), tf.sub(x, mean)));
    return {
      x: () => runKernel('BatchNormInferenceInputGrad', { dy, x, gamma, beta, mean, variance }, options),
      gamma: () => tf.mul(againstCentred(), inverse()),
      beta: () => channelSum(masked()),
      mean: () => tf.neg(tf.mul(channelSum(masked()), tf.mul(gamma, inverse()))),
      variance: () => tf.mul(tf.mul(againstCentred(), tf.mul(gamma, -0.5)), tf.pow(inverse(), 3)),
    };
  },
};

/** dx = gamma / sqrt(variance + epsilon) relu'(.) dy is linear in dy, and constant in x and beta almost everywhere. */
const inferenceInputGrad: tf.GradConfig = {
  kernelName: 'BatchNormInferenceInputGrad',
  inputsToSave: ['dy', 'x', 'gamma', 'beta', 'mean', 'variance'],
  gradFunc: (gradient, saved, attrs): GradientTable => {
    const u = gradient as tf.Tensor;
    const [dy, ...rest] = saved as [tf.Tensor4D, ...Parts];
    const parts = rest as Parts;
    const [x, gamma, beta, mean, variance] = parts;
    const options = attributesOf(attrs);
    const inverse = (): tf.Tensor => tf.rsqrt(tf.add(variance, options.epsilon));
    const product = (): tf.Tensor => channelSum(tf.mul(u, throughRelu(dy, parts, options)));
    return {
      dy: () => runKernel('BatchNormInferenceInputGrad', { dy: u, x, gamma, beta, mean, variance }, options),
      x: () => tf.zerosLike(x),
      gamma: () => tf.mul(product(), inverse()),
      beta: () => tf.zerosLike(beta),
      mean: () => tf.zerosLike(mean),
      variance: () => tf.mul(tf.mul(product(), tf.mul(gamma, -0.5)), tf.pow(inverse(), 3)),
    };
  },
};

type TrainGradient = [tf.Tensor4D, tf.Tensor1D, tf.Tensor1D];

// All three gradients come from one kernel and are always wanted together, so it runs at once.
const train: tf.GradConfig = {
  kernelName: 'BatchNormTrain',
  inputsToSave: ['x', 'gamma', 'beta'],
  outputsToSave: [false, true, true],
  gradFunc: (gradients, saved, attrs): GradientTable => {
    const [dy, dMean, dVariance] = gradients as TrainGradient;
    const [x, gamma, beta, mean, variance] = saved as unknown as Parts;
    const inputs = { dy, x, gamma, beta, mean, variance, dMean, dVariance };
    const [dx, dGamma, dBeta] = runKernelForAll<TrainGradient>('BatchNormTrainGrad', inputs, attributesOf(attrs));
    return { x: () => dx, gamma: () => dGamma, beta: () => dBeta };
  },
};

/**
 * The gradient of a training-mode normalisation, differentiated again. `mean` and `variance` are functions of x, whose gradient accounts for
 * them; as inputs of their own they count as constants.
 */
const trainGrad: tf.GradConfig = {
  kernelName: 'BatchNormTrainGrad',
  inputsToSave: ['dy', 'x', 'gamma', 'beta', 'mean', 'variance', 'dMean', 'dVariance'],
  gradFunc: (gradients, saved, attrs): GradientTable => {
    const [uInput, uGamma, uBeta] = gradients as TrainGradient;
    const [dy, x, gamma, beta, mean, variance, , dVariance] = saved as [
      tf.Tensor4D,
      ...Parts,
      tf.Tensor1D,
      tf.Tensor1D,
    ];
    const inputs = { uInput, uGamma, uBeta, dy, x, gamma, beta, mean, variance, dVariance };
    const [ddy, ddx, dGamma] = runKernelForAll<[tf.Tensor4D, tf.Tensor4D, tf.Tensor1D]>(
      'BatchNormTrainGradGrad',
      inputs,
      attributesOf(attrs),
    );
    const count = x.size / gamma.size;
    return {
      dy: () => ddy,
      x: () => ddx,
      gamma: () => dGamma,
      beta: () => tf.zerosLike(beta),
      mean: () => tf.zerosLike(mean),
      variance: () => tf.zerosLike(variance),
      dMean: () => tf.div(channelSum(uInput), count),
      dVariance: () => tf.mul(channelSum(tf.mul(uInput, tf.sub(x, mean))), 2 / count),
    };
  },
};

/** Gradients of the native engine's batch-norm kernels, first and second order. */
export const batchNormGradients: readonly tf.GradConfig[] = [inference, inferenceInputGrad, train, trainGrad];
