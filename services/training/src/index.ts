export { trainingJobKind } from './job-training.js';
export { type StartTrainingOptions, startTraining } from './start.js';
