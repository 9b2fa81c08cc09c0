export { attackJobKind } from './attack-jobs.js';
export { type StartAttackOptions, startAttack } from './start.js';
