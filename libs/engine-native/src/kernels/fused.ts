import type { KernelConfig, TensorInfo } from '@tensorflow/tfjs-core';
import { attributes, input, isFloat, type KernelCall, nativeKernel, ownKernel } from './native-kernel.js';

interface NormalisationAttributes {
  readonly epsilon: number;
  readonly relu: boolean;
}

function arrays(call: KernelCall, ...names: string[]): Float32Array[] {
  return names.map((name) => call.backend.floats(input(call, name)));
}

type Arrays<Count extends number, Rest extends Float32Array[] = []> = Rest['length'] extends Count
  ? Rest
  : Arrays<Count, [...Rest, Float32Array]>;

const vectors = ['gamma', 'beta', 'mean', 'variance'] as const;

/**
 * Lets `change` work on two inputs in place and returns nothing, or, where another tensor shares the memory of either, on copies of both
 * and returns these.
 */
function inPlaceOrAnew(
  call: KernelCall,
  names: readonly [string, string],
  change: (values: Arrays<2>) => void,
): TensorInfo[] {
  const { backend } = call;
  const [first, second] = names.map((name) => backend.exclusiveFloats(input(call, name)));
  if (first !== undefined && second !== undefined) {
    change([first, second]);
    return [];
  }
  const copies = names.map((name) => {
    const copy = backend.output(input(call, name).shape.slice());
    copy.values.set(backend.floats(input(call, name)));
    return copy;
  });
  change(copies.map(({ values }) => values) as Arrays<2>);
  return copies.map(({ info }) => info);
}

/** Kernels that TF.js does not have: each is the fused form of several of its operations, which libs/tensor composes on other engines. */
export const fusedKernels: readonly (() => KernelConfig)[] = [
  // {x, gamma, beta} -> [output, mean, variance]
  () =>
    ownKernel('BatchNormTrain', (call) => {
      const [x, gamma, beta] = arrays(call, 'x', 'gamma', 'beta') as Arrays<3>;
      const { epsilon, relu } = attributes<NormalisationAttributes>(call);
      const channels = input(call, 'gamma').shape;
      const output = call.backend.output(input(call, 'x').shape.slice());
      const mean = call.backend.output(channels.slice());
      const variance = call.backend.output(channels.slice());
      const { addon } = call.backend;
      addon.batchNormTrain(x, gamma, beta, epsilon, relu, output.values, mean.values, variance.values);
      return [output.info, mean.info, variance.info];
    }),
  // {dy, x, gamma, beta, mean, variance, dMean?, dVariance?} -> [dx, dGamma, dBeta]
  () =>
    ownKernel('BatchNormTrainGrad', (call) => {
      const { backend } = call;
      const [dy, x, gamma, beta, mean, variance] = arrays(call, 'dy', 'x', ...vectors) as Arrays<6>;
      const { dMean, dVariance } = call.inputs;
      const { epsilon, relu } = attributes<NormalisationAttributes>(call);
      const channels = input(call, 'gamma').shape;
      const dx = backend.output(input(call, 'x').shape.slice());
      const dGamma = backend.output(channels.slice());
      const dBeta = backend.output(channels.slice());
      backend.addon.batchNormTrainGrad(
        dy,
        x,
        gamma,
        beta,
        mean,
        variance,
        epsilon,
        relu,
        dMean ? backend.floats(dMean) : null,
        dVariance ? backend.floats(dVariance) : null,
        dx.values,
        dGamma.values,
        dBeta.values,
      );
      return [dx.info, dGamma.info, dBeta.info];
    }),
  // the gradient of BatchNormTrainGrad against {uInput, uGamma, uBeta} -> [dDy, dX, dGamma]
  () =>
    ownKernel('BatchNormTrainGradGrad', (call) => {
      const { backend } = call;
      const [uInput, uGamma, uBeta] = arrays(call, 'uInput', 'uGamma', 'uBeta') as Arrays<3>;
      const [dy, x, gamma, beta, mean, variance] = arrays(call, 'dy', 'x', ...vectors) as Arrays<6>;
      const { dVariance } = call.inputs;
      const { epsilon, relu } = attributes<NormalisationAttributes>(call);
      const dDy = backend.output(input(call, 'x').shape.slice());
      const dX = backend.output(input(call, 'x').shape.slice());
      const dGamma = backend.output(input(call, 'gamma').shape.slice());
      backend.addon.batchNormTrainGradGrad(
        uInput,
        uGamma,
        uBeta,
        dy,
        x,
        gamma,
        beta,
        mean,
        variance,
        dVariance ? backend.floats(dVariance) : null,
        epsilon,
        relu,
        dDy.values,
        dX.values,
        dGamma.values,
      );
      return [dDy.info, dX.info, dGamma.info];
    }),
  // {x, gamma, beta, mean, variance} -> output
  () =>
    ownKernel('BatchNormInference', (call) => {
      const [x, gamma, beta, mean, variance] = arrays(call, 'x', ...vectors) as Arrays<5>;
      const { epsilon, relu } = attributes<NormalisationAttributes>(call);
      const { info, values } = call.backend.output(input(call, 'x').shape.slice());
      call.backend.addon.batchNormInference(x, gamma, beta, mean, variance, epsilon, relu, values);
      return info;
    }),
  // {dy, x, gamma, beta, mean, variance} -> dx
  () =>
    ownKernel('BatchNormInferenceInputGrad', (call) => {
      const [dy, x, gamma, beta, mean, variance] = arrays(call, 'dy', 'x', ...vectors) as Arrays<6>;
      const { epsilon, relu } = attributes<NormalisationAttributes>(call);
      const { info, values } = call.backend.output(input(call, 'x').shape.slice());
      call.backend.addon.batchNormInferenceInputGrad(dy, x, gamma, beta, mean, variance, epsilon, relu, values);
      return info;
    }),
  () =>
    nativeKernel('FusedBatchNorm', (call) => {
      const { x, mean, variance, scale, offset } = call.inputs;
      if (!x || !mean || !variance || !scale || !offset || x.shape.length !== 4) return undefined;
      const channels = x.shape[3];
      const parts = [mean, variance, scale, offset];
      if (
        !isFloat(x) ||
        parts.some((part) => !isFloat(part) || part.shape.length !== 1 || part.shape[0] !== channels)
      ) {
        return undefined;
      }
      const floats = (name: 'x' | 'mean' | 'variance' | 'scale' | 'offset'): Float32Array =>
        call.backend.floats(input(call, name));
      const { info, values } = call.backend.output(x.shape.slice());
      if (values.length === 0) return info;
      const { varianceEpsilon } = attributes<{ varianceEpsilon: number | null }>(call);
      call.backend.addon.batchNormInference(
        floats('x'),
        floats('scale'),
        floats('offset'),
        floats('mean'),
        floats('variance'),
        varianceEpsilon ?? 0.001,
        false,
        values,
      );
      return info;
    }),
  // {logits, targets} -> losses [batch]
  () =>
    ownKernel('SoftmaxCrossEntropy', (call) => {
      const [logits, targets] = arrays(call, 'logits', 'targets') as Arrays<2>;
      const [rows, classes] = input(call, 'logits').shape as [number, number];
      const { info, values } = call.backend.output([rows]);
      call.backend.addon.crossEntropy(logits, targets, values, rows, classes);
      return info;
    }),
  // {dy [batch], logits, targets} -> dLogits
  () =>
    ownKernel('SoftmaxCrossEntropyGrad', (call) => {
      const [dy, logits, targets] = arrays(call, 'dy', 'logits', 'targets') as Arrays<3>;
      const [rows, classes] = input(call, 'logits').shape as [number, number];
      const { info, values } = call.backend.output([rows, classes]);
      call.backend.addon.crossEntropyGrad(dy, logits, targets, values, rows, classes);
      return info;
    }),
  // {iterate, gradient, centre} -> the next iterate
  () =>
    ownKernel('LinfStep', (call) => {
      const [iterate, gradient, centre] = arrays(call, 'iterate', 'gradient', 'centre') as Arrays<3>;
      const { step, epsilon } = attributes<{ step: number; epsilon: number }>(call);
      const { info, values } = call.backend.output(input(call, 'iterate').shape.slice());
      call.backend.addon.linfStep(iterate, gradient, centre, values, step, epsilon);
      return info;
    }),
  // {runningMean, runningVariance, mean, variance} -> [] after a change in place, or [runningMean, runningVariance] anew
  () =>
    ownKernel('MoveAverages', (call) => {
      const [mean, variance] = arrays(call, 'mean', 'variance') as Arrays<2>;
      const { momentum, varianceFactor } = attributes<{ momentum: number; varianceFactor: number }>(call);
      return inPlaceOrAnew(call, ['runningMean', 'runningVariance'], ([runningMean, runningVariance]) => {
        call.backend.addon.moveAverages(runningMean, runningVariance, mean, variance, momentum, varianceFactor);
      });
    }),
  // {parameter, velocity, gradient} -> [] after a change in place, or [parameter, velocity] anew
  () =>
    ownKernel('SgdMomentum', (call) => {
      const gradient = call.backend.floats(input(call, 'gradient'));
      const { learningRate, momentum, weightDecay } = attributes<{
        learningRate: number;
        momentum: number;
        weightDecay: number;
      }>(call);
      return inPlaceOrAnew(call, ['parameter', 'velocity'], ([parameter, velocity]) => {
        call.backend.addon.sgdMomentum(parameter, velocity, gradient, learningRate, momentum, weightDecay);
      });
    }),
];
