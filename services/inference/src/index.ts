export { type InferenceParts, type StartInferenceOptions, startInference } from './start.js';
