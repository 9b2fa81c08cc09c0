export type { Classifier } from './classifier.js';
export { ModelCache, type ModelWeights } from './model-cache.js';
export { InvalidModelSpecError, type ModelSpec, validateModelSpec } from './model-spec.js';
export { isStatistic, type ParameterEntry, parameterLayout } from './parameter-layout.js';
export { PreActResNet, WeightsMismatchError } from './preact-resnet.js';
export { readTorchCheckpoint } from './torch-checkpoint/read-torch-checkpoint.js';
export { TorchCheckpointError } from './torch-checkpoint/torch-checkpoint-error.js';
export { fromTorchLayout, torchShape, toTorchLayout } from './torch-layout.js';
