export {
  type AskedAttack,
  type AskedOptions,
  askedAttack,
  askedOptions,
  describeAttack,
  describeOptions,
} from './attack-options.js';
export { modelSpecOf, modelWeightsOf } from './model-weights.js';
