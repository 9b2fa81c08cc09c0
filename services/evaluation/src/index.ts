export { evaluationJobKinds } from './evaluation-jobs.js';
export { type StartEvaluationOptions, startEvaluation } from './start.js';
