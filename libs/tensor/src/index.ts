export {
  type BatchNormTraining,
  batchNormInference,
  batchNormReluInference,
  batchNormReluTrain,
  batchNormTrain,
} from './batch-norm.js';
export { conv2d } from './convolution.js';
export { registerCorrectedGradients } from './corrected-gradients.js';
export {
  type EngineInfo,
  type EngineName,
  type EngineOptions,
  EngineUnavailableError,
  engineFingerprint,
  engineNames,
  selectEngine,
} from './engine.js';
export { hostResult } from './host-result.js';
export { type InputGradient, inputGradient } from './input-gradient.js';
export { dense, globalMeanPool, relu } from './layers.js';
export { linfStep } from './linf-step.js';
export { moveAverages } from './move-averages.js';
export { type ParameterGradients, parameterGradients } from './parameter-gradients.js';
export { type PhiloxCounter, type PhiloxKey, philoxBlock } from './philox.js';
export {
  type BlockStatistics,
  type BlockWeights,
  preActivationBlockInference,
  preActivationBlockTrain,
  type TrainedBlock,
} from './pre-activation-block.js';
export { type Precision, precisions, roundToBfloat16 } from './precision.js';
export { permutation, type RandomKey, RandomStream, uniformArray, unitSphereVector } from './random-stream.js';
export { type ResidualNetwork, residualNetworkInference } from './residual-network.js';
export {
  type HostTensor,
  readSafetensors,
  type Safetensors,
  type SafetensorsDtype,
  SafetensorsError,
  writeSafetensors,
} from './safetensors.js';
export { type SgdSettings, sgdMomentumStep } from './sgd-momentum.js';
export { klDivergence, logSoftmax, logSumExp, softmaxCrossEntropy } from './softmax-cross-entropy.js';
