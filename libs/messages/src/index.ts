export { type AskedOptions, askedOptions, describeOptions } from './attack-options.js';
export { modelSpecOf, modelWeightsOf } from './model-weights.js';
