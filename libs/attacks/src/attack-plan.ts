import { type Goal, kindOf } from './goal.js';
import { type PgdOptions, resolvePgdOptions, validatePgdOptions } from './pgd-options.js';
import {
  resolveSearchOptions,
  type SearchMethod,
  type SearchOptions,
  validateSearchOptions,
} from './search-options.js';
import { type ImageInputs, validateAttack, validateInputs } from './validate-attack.js';
import type { Violation } from './violations.js';

/** Which attack with which settings: PGD and its relatives, or one of the searching attacks. */
export type AttackPlan =
  | { readonly kind: 'pgd'; readonly options: PgdOptions }
  | { readonly kind: 'search'; readonly method: SearchMethod; readonly options: SearchOptions };

/** An attack with whatever settings somebody named. */
export type PartialAttackPlan =
  | { readonly kind: 'pgd'; readonly options: Partial<PgdOptions> }
  | { readonly kind: 'search'; readonly method: SearchMethod; readonly options: Partial<SearchOptions> };

/** Fills what `plan` leaves out. */
export function resolveAttackPlan(plan: PartialAttackPlan): AttackPlan {
  return plan.kind === 'pgd'
    ? { kind: 'pgd', options: resolvePgdOptions(plan.options) }
    : { ...plan, options: resolveSearchOptions(plan.options) };
}

/** Every violation of the plan's options, by field path under `options`. */
export function validatePlanOptions(plan: AttackPlan, kind: Goal['kind'], classes: number): Violation[] {
  return plan.kind === 'pgd'
    ? validatePgdOptions(plan.options, kind, classes)
    : validateSearchOptions(plan.method, plan.options, kind, classes);
}

/** Every violation of a plan and of what it is to attack, each named by field path; empty when it may run. */
export function validatePlan(plan: AttackPlan, inputs: ImageInputs): Violation[] {
  return plan.kind === 'pgd'
    ? validateAttack({ ...inputs, options: plan.options })
    : [...validatePlanOptions(plan, kindOf(inputs.goal), inputs.classes), ...validateInputs(inputs)];
}
