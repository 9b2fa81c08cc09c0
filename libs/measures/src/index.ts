export { type AlignedGradients, type AlignedGradientsOptions, alignedGradients } from './aligned-gradients.js';
export { type ClassCollapse, classCollapse, collapseThreshold } from './class-collapse.js';
export { type BootstrapOptions, clusterBootstrap, type Estimate } from './cluster-bootstrap.js';
export { clusteredShare } from './clustered-share.js';
export { eightBitRobustness, roundWithinBall } from './eight-bit-robustness.js';
export { type FisherRows, projectedFimSquared } from './fisher-rows.js';
export type { HonestyIndicator } from './honesty-indicator.js';
export { type HonestyOptions, honestyReport } from './honesty-report.js';
export {
  InvalidAnswersError,
  type LabellingAnswers,
  type LabellingKey,
  type LabellingScore,
  type LabellingSet,
  type LabellingSource,
  labellingSet,
  scoreLabelling,
} from './labelling-set.js';
export { ledgerFromTensors, ledgerToTensors, MalformedLedgerError } from './ledger-tensors.js';
export { checkLemma, type LemmaCheck, lemmaTolerance } from './lemma-c1.js';
export { type LocalLipschitzOptions, localLipschitz } from './local-lipschitz.js';
export { type LogitJacobian, logitJacobian } from './logit-jacobian.js';
export { comparePaired, mcNemarExact, type PairedComparison } from './paired-comparison.js';
export { type ProfileHooks, type ProfileProgress, profile } from './profile.js';
export {
  budgetGrid,
  budgetPosition,
  type Confirmation,
  InvalidProfileError,
  type NamedAttack,
  type ProfileSettings,
  type ProfileStrategy,
  paperProfile,
  validateProfileSettings,
  witnessMargin,
} from './profile-settings.js';
export { cohenKappa, fleissKappa } from './rater-agreement.js';
export {
  judgePictures,
  type NamedJudge,
  type Recognizability,
  type RecognizabilityOptions,
  recognizability,
  type ShuffledTargets,
  type Verdict,
} from './recognizability.js';
export { type CurvePoint, robustAccuracyCurve, robustPerClass } from './robust-accuracy-curve.js';
export { type Samples, selectSamples, shardSamples } from './samples.js';
export {
  type SampleSmoothness,
  type Smoothness,
  type SmoothnessOptions,
  sampleSmoothness,
  smoothness,
  softmax,
} from './smoothness.js';
export { type EstimateOptions, type SmoothnessEstimates, smoothnessEstimates } from './smoothness-estimates.js';
export { classMargins, rankOf, targetEvidence } from './target-evidence.js';
export {
  convictionMargin,
  convincingPictures,
  type InversionOptions,
  invertClasses,
  type TargetedPictures,
} from './targeted-pictures.js';
export { transferredWitnesses } from './transferred-witnesses.js';
export { type RefutedWitness, verifyWitnesses, type WitnessVerification } from './verify-witnesses.js';
export { type Proportion, wilsonInterval } from './wilson-interval.js';
export {
  type LedgerEntry,
  LedgerMismatchError,
  mergeProfiles,
  type ProfileCost,
  type Witness,
  type WitnessLedger,
} from './witness-ledger.js';
