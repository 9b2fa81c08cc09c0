export { type AscentGradient, ascentGradient, forwardLogits, NonFiniteLogitsError } from './ascent-gradient.js';
export type { AttackHooks, AttackProgress } from './attack-hooks.js';
export { type AttackMethod, type AttackParameter, attackMethods } from './attack-methods.js';
export {
  type AttackPlan,
  type PartialAttackPlan,
  resolveAttackPlan,
  validatePlan,
  validatePlanOptions,
} from './attack-plan.js';
export type { AttackResult, Snapshot } from './attack-result.js';
export { type Box, pixelBox, unboundedBox } from './box.js';
export { boxAwareL1Step } from './box-aware-l1-step.js';
export { type FgsmOptions, fgsm, fgsmAsPgd } from './fgsm.js';
export { type AskedGoal, type Goal, goalClasses } from './goal.js';
export { inversionAsPgd } from './inversion.js';
export { inversionStarts } from './inversion-starts.js';
export { leavePredictions } from './leave-predictions.js';
export { type Aim, argmax, type Judgement, judge, type LossName, writeAscentCotangent } from './losses.js';
export { distance, dualExponent, norm } from './norms.js';
export { pgd } from './pgd.js';
export {
  defaultPgdOptions,
  type PgdOptions,
  resolvePgdOptions,
  type StepSize,
  stepLength,
  validatePgdOptions,
} from './pgd-options.js';
export { createStepper, type StepOutcome, type Stepper } from './pgd-step.js';
export { type Projection, projectBallAndBox } from './project-ball-and-box.js';
export { roundTo8Bits } from './round-to-8-bits.js';
export { runAttack } from './run-attack.js';
export { finiteScores, modelScorer, type Scorer } from './scorer.js';
export { judgedLoss, searchAttack } from './search-attack.js';
export {
  defaultSearchOptions,
  resolveSearchOptions,
  type SearchMethod,
  type SearchOptions,
  searchMethods,
  validateSearchOptions,
} from './search-options.js';
export { type AttackedModel, NoGradientsError } from './search-run.js';
export { startOf } from './starts.js';
export { type SteepestStep, steepestStep } from './steepest-step.js';
export { uniformInBall } from './uniform-in-ball.js';
export { type AttackInputs, type ImageInputs, validateAttack, validateInputs } from './validate-attack.js';
export { InvalidAttackError, type Violation } from './violations.js';
