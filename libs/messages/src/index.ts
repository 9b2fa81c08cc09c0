export {
  type AskedAttack,
  type AskedOptions,
  askedAttack,
  askedOptions,
  describeAttack,
  describeOptions,
} from './attack-options.js';
export { contractField } from './contract-field.js';
export { modelSpecOf, modelWeightsOf } from './model-weights.js';
export { precisionMessage, precisionsByNumber } from './precision.js';
