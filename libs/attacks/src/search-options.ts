import type { Precision } from '@percept/tensor';
import { validatePrecision } from './attack-precision.js';
import type { Projection } from './project-ball-and-box.js';
import type { Violation } from './violations.js';

/** The attacks that search image by image, beside PGD and its relatives. */
export const searchMethods = ['apgd-ce', 'apgd-dlr', 'apgd-t', 'fab', 'square', 'autoattack'] as const;

export type SearchMethod = (typeof searchMethods)[number];

/** Every setting of a searching attack; a method leaves aside what means nothing to it. */
export interface SearchOptions {
  /** The norm's p in [1, Infinity]; square and autoattack know 1, 2 and Infinity. */
  readonly norm: number;
  /** The budget in pixel units, >= 0; Infinity only for fab. */
  readonly epsilon: number;
  /** Gradient steps per run of APGD and FAB, 1 .. 100,000. */
  readonly steps: number;
  /** Runs per image (and per target class) at most, 1 .. 1,000; an image already broken is not started again. */
  readonly restarts: number;
  /** Proposals of Square per run, 1 .. 1,000,000. */
  readonly queries: number;
  /** How many classes apgd-t, fab and autoattack aim at, the likeliest first, 1 .. classes - 1; fewer where the model has fewer. */
  readonly targetClasses: number;
  /** APGD's weight of the step against the move before it, in (0, 1]. */
  readonly momentum: number;
  /** APGD halves its step where no more than this share of the last steps improved, in (0, 1]. */
  readonly rho: number;
  readonly projection: Projection;
  /** Leave an image alone at its first success, or go through with every run that is begun (fab: to find a nearer point). */
  readonly stop: 'first-success' | 'all-steps';
  /** Integer seed of all random numbers, 0 .. 2^53 - 1. */
  readonly seed: number;
  /** A success counts only when its margin exceeds this fraction of the largest |logit|, in [0, 1). */
  readonly successMargin: number;
  /** Also report success after rounding the result to 8 bits (one more forward pass per image). */
  readonly checkAt8Bits: boolean;
  /** Of the model's filters in the search. What seems to succeed in bfloat16 counts once a float32 pass confirms it; all that is reported is float32's. */
  readonly precision: Precision;
  /** Images per engine call at most, 1 .. 4,096. */
  readonly batchSize: number;
}

/** AutoAttack's standard settings: 100 steps, 9 targets, 5,000 queries. */
export const defaultSearchOptions: SearchOptions = Object.freeze({
  norm: Number.POSITIVE_INFINITY,
  epsilon: 8 / 255,
  steps: 100,
  restarts: 1,
  queries: 5_000,
  targetClasses: 9,
  momentum: 0.75,
  rho: 0.75,
  projection: 'sequential',
  stop: 'first-success',
  seed: 0,
  successMargin: 0,
  checkAt8Bits: true,
  precision: 'float32',
  batchSize: 128,
});

/** Fills what `options` leaves out. */
export function resolveSearchOptions(options: Partial<SearchOptions>): SearchOptions {
  return { ...defaultSearchOptions, ...options };
}

const limits = {
  steps: [1, 100_000],
  restarts: [1, 1_000],
  queries: [1, 1_000_000],
  targetClasses: [1, 100_000],
  batchSize: [1, 4_096],
  seed: [0, Number.MAX_SAFE_INTEGER],
} as const;

/** Every violation of the options by field path under `options`; empty when they are sound. `classes` is the model's number of classes. */
export function validateSearchOptions(
  method: SearchMethod,
  options: SearchOptions,
  kind: 'untargeted' | 'targeted',
  classes: number,
): Violation[] {
  const violations: Violation[] = [];
  const refuse = (field: string, description: string): void => {
    violations.push({ field: `options.${field}`, description });
  };
  const { norm, epsilon, momentum, rho, successMargin } = options;
  if (!(norm >= 1)) refuse('norm', `must be at least 1 (Infinity allowed), got ${norm}`);
  else if ((method === 'square' || method === 'autoattack') && ![1, 2, Number.POSITIVE_INFINITY].includes(norm)) {
    refuse('norm', `${method} knows the norms 1, 2 and Infinity, got ${norm}`);
  }
  if (!(epsilon >= 0)) refuse('epsilon', `must be at least 0, got ${epsilon}`);
  else if (epsilon === Number.POSITIVE_INFINITY && (method !== 'fab' || options.restarts > 1)) {
    refuse('epsilon', method === 'fab' ? 'must be finite where there are restarts' : `${method} needs a finite budget`);
  }
  for (const [field, [lowest, highest]] of Object.entries(limits) as [
    keyof typeof limits,
    readonly [number, number],
  ][]) {
    const value = options[field];
    if (!(Number.isInteger(value) && value >= lowest && value <= highest)) {
      refuse(field, `must be an integer from ${lowest} to ${highest}, got ${value}`);
    }
  }
  if (!(momentum > 0 && momentum <= 1)) refuse('momentum', `must lie in (0, 1], got ${momentum}`);
  if (!(rho > 0 && rho <= 1)) refuse('rho', `must lie in (0, 1], got ${rho}`);
  if (!(successMargin >= 0 && successMargin < 1)) refuse('successMargin', `must lie in [0, 1), got ${successMargin}`);
  if (!['exact', 'sequential'].includes(options.projection)) refuse('projection', 'must be exact or sequential');
  if (!['first-success', 'all-steps'].includes(options.stop)) refuse('stop', 'must be first-success or all-steps');
  violations.push(...validatePrecision(options.precision));
  const needed = method === 'apgd-dlr' ? (kind === 'targeted' ? 4 : 3) : 2;
  if (classes < needed) refuse('method', `${method} needs at least ${needed} classes, the model has ${classes}`);
  if (kind === 'targeted' && (method === 'apgd-t' || method === 'autoattack')) {
    refuse('method', `${method} chooses its targets itself and serves untargeted attacks only`);
  }
  return violations;
}
