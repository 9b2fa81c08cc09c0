import type { FieldFlags } from './exit-code.js';

/** The options that set the fields of AttackOptions, which lie below `path` in a request. */
export function attackOptionFlags(path: string): FieldFlags {
  const flags = {
    method: '--method',
    norm: '--norm',
    epsilon: '--epsilon',
    step: '--step or --relative-step',
    absolute_step: '--step',
    relative_step: '--relative-step',
    steps: '--steps',
    restarts: '--restarts',
    start: '--start',
    loss: '--loss',
    stop: '--stop',
    keep: '--keep',
    projection: '--projection',
    step_rule: '--step-rule',
    queries: '--queries',
    target_classes: '--target-classes',
    momentum: '--momentum',
    precision: '--precision',
    seed: '--seed',
  };
  return Object.fromEntries(Object.entries(flags).map(([field, flag]) => [`${path}.${field}`, flag]));
}
