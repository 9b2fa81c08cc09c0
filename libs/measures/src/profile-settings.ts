import {
  type AttackPlan,
  type PgdOptions,
  resolvePgdOptions,
  resolveSearchOptions,
  type SearchMethod,
  type SearchOptions,
  type Violation,
  validatePlanOptions,
} from '@percept/attacks';

/** An attack under the name that its witnesses bear. Norm, budget and seed are the profile's. */
export type NamedAttack = NamedPgd | NamedSearch;

/** What a profile decides itself. */
type OfProfile = 'norm' | 'epsilon' | 'seed' | 'batchSize' | 'successMargin';

/** PGD with these settings. */
export interface NamedPgd {
  readonly name: string;
  readonly method?: undefined;
  readonly options: Partial<Omit<PgdOptions, OfProfile>>;
}

/** One of the searching attacks, such as `autoattack`; a witness that it finds bears the profile's name for it. */
export interface NamedSearch {
  readonly name: string;
  readonly method: SearchMethod;
  readonly options: Partial<Omit<SearchOptions, OfProfile>>;
}

/**
 * In which order budgets are attacked. A sample broken at a smaller budget is never attacked again.
 * - `ascending`: budget after budget; each begins where the last one ended, so that a budget's steps add to those before it.
 * - `exhaustive`: budget after budget, each on its own, as the paper has it.
 * - `bisect`: per sample, narrowing the range of budgets between the largest that held and the smallest that broke.
 */
export type ProfileStrategy = 'ascending' | 'exhaustive' | 'bisect';

/**
 * Where a further attack is tried.
 * - `budget`: at one budget of the grid, on the samples not broken at or below it.
 * - `frontier`: at every sample's own frontier, the largest budget not known to break it, where that is `from` or more; where the attack breaks it there, at
 *   smaller ones too, by bisection.
 */
export type ConfirmedAt =
  | { readonly kind: 'budget'; readonly epsilon: number }
  | { readonly kind: 'frontier'; readonly from: number };

/** A further attack, tried when those of the strategy have ended. */
export interface Confirmation {
  readonly at: ConfirmedAt;
  readonly attack: NamedAttack;
}

/** Everything that decides a profile besides the model and the samples. */
export interface ProfileSettings {
  /** The norm's p in [1, Infinity]. */
  readonly norm: number;
  /** Budgets in pixel units, strictly ascending, the first 0. */
  readonly grid: readonly number[];
  readonly strategy: ProfileStrategy;
  /** Attacks tried one after the other at a budget, each on the samples that withstood those before. */
  readonly attacks: readonly NamedAttack[];
  /** Further attacks, tried one after the other afterwards. */
  readonly confirmations: readonly Confirmation[];
  readonly seed: number;
  /** Images per engine call at most. */
  readonly batchSize: number;
}

/** The margin, as a fraction of the largest |logit|, with which a witness must be misclassified in order to count. */
export const witnessMargin = 1e-4;

/** The budgets 0, by / denominator, ..., last / denominator, each a correctly rounded quotient. `last` must be a multiple of `by`. */
export function budgetGrid(last: number, by: number, denominator: number): number[] {
  if (!(last > 0 && by > 0 && last % by === 0)) throw new RangeError(`${last} is no multiple of ${by}`);
  return Array.from({ length: last / by + 1 }, (_, i) => (i * by) / denominator);
}

/** The position of the budget that equals `epsilon` to 9 digits, or -1. */
export function budgetPosition(grid: readonly number[], epsilon: number): number {
  return grid.findIndex((budget) => Math.abs(budget - epsilon) <= 1e-9 * Math.abs(epsilon));
}

/** The paper's protocol (section 4): every budget on its own, 50 steps of 2/255, up to 10 restarts, cross-entropy, uniform starts. */
export function paperProfile(norm: number, grid: readonly number[], seed: number): ProfileSettings {
  return {
    norm,
    grid,
    strategy: 'exhaustive',
    attacks: [{ name: 'pgd-50x10', options: { step: { kind: 'absolute', size: 2 / 255 }, steps: 50, restarts: 10 } }],
    confirmations: [],
    seed,
    batchSize: 128,
  };
}

/** What `attack` does within a profile: successes must have the witness margin, and 8-bit copies are not judged. */
export function profileAttackPlan(settings: ProfileSettings, attack: NamedAttack, epsilon: number): AttackPlan {
  const { norm, seed, batchSize } = settings;
  const fixed = { norm, epsilon, seed, batchSize, successMargin: witnessMargin, checkAt8Bits: false };
  return attack.method === undefined
    ? { kind: 'pgd', options: resolvePgdOptions({ ...attack.options, ...fixed }) }
    : { kind: 'search', method: attack.method, options: resolveSearchOptions({ ...attack.options, ...fixed }) };
}

/** Thrown when a profile's settings break their rules; carries every violation at once. */
export class InvalidProfileError extends Error {
  readonly violations: readonly Violation[];

  constructor(violations: readonly Violation[]) {
    super(
      `invalid profile: ${violations.map((violation) => `${violation.field}: ${violation.description}`).join('; ')}`,
    );
    this.name = 'InvalidProfileError';
    this.violations = violations;
  }
}

/** Every violation of the settings by field path; `classes` is the model's number of classes. */
export function validateProfileSettings(settings: ProfileSettings, classes: number): Violation[] {
  const violations: Violation[] = [];
  const { grid, attacks, confirmations } = settings;
  if (grid[0] !== 0)
    violations.push({ field: 'grid[0]', description: 'the first budget must be 0, the clean accuracy' });
  for (let i = 1; i < grid.length; i++) {
    const epsilon = grid[i] as number;
    if (!(epsilon > (grid[i - 1] as number) && epsilon < Number.POSITIVE_INFINITY)) {
      violations.push({
        field: `grid[${i}]`,
        description: `budgets must be finite and strictly ascending, got ${epsilon}`,
      });
    }
  }
  if (!['ascending', 'exhaustive', 'bisect'].includes(settings.strategy)) {
    violations.push({
      field: 'strategy',
      description: `must be ascending, exhaustive or bisect, got ${settings.strategy}`,
    });
  }
  if (attacks.length === 0) violations.push({ field: 'attacks', description: 'at least one attack is needed' });
  const named: [string, NamedAttack][] = [
    ...attacks.map((attack, i): [string, NamedAttack] => [`attacks[${i}]`, attack]),
    ...confirmations.map(({ attack }, i): [string, NamedAttack] => [`confirmations[${i}].attack`, attack]),
  ];
  for (const [field, attack] of named) {
    const plan = profileAttackPlan(settings, attack, 1);
    for (const violation of validatePlanOptions(plan, 'untargeted', classes)) {
      violations.push({ field: `${field}.${violation.field}`, description: violation.description });
    }
    if (plan.kind === 'pgd' && plan.options.start === 'given') {
      violations.push({ field: `${field}.options.start`, description: 'a profile chooses given starts itself' });
    }
  }
  for (const [i, { at }] of confirmations.entries()) {
    if (at.kind === 'budget' && !(at.epsilon > 0 && budgetPosition(grid, at.epsilon) > 0)) {
      violations.push({
        field: `confirmations[${i}].at.epsilon`,
        description: `must be a positive budget of the grid, got ${at.epsilon}`,
      });
    }
    if (at.kind === 'frontier' && !(at.from >= 0)) {
      violations.push({ field: `confirmations[${i}].at.from`, description: `must be at least 0, got ${at.from}` });
    }
  }
  return violations;
}
