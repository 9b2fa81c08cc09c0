import type { Precision } from '@percept/tensor';
import { validatePrecision } from './attack-precision.js';
import type { LossName } from './losses.js';
import type { Projection } from './project-ball-and-box.js';
import type { Violation } from './violations.js';

/** The length of one step: in pixel units of [0, 1], or as a fraction of epsilon. */
export interface StepSize {
  readonly kind: 'absolute' | 'relative';
  readonly size: number;
}

/** Every setting of a projected-gradient attack. */
export interface PgdOptions {
  /** The norm's p in [1, Infinity]. */
  readonly norm: number;
  /** The budget in pixel units, >= 0; Infinity for an unbounded attack. */
  readonly epsilon: number;
  readonly step: StepSize;
  /** Gradient steps per restart, 1 .. 100,000. */
  readonly steps: number;
  /** Starts per image at most, 1 .. 1,000; an image already broken is not started again. */
  readonly restarts: number;
  /** Where restart 0 begins: uniform in the ball, the image itself, or the images of `startImages`. Later restarts are always uniform. */
  readonly start: 'uniform' | 'origin' | 'given';
  /** With start `given`: one flattened image per attacked image; projected on ball and box before use. */
  readonly startImages?: Float32Array;
  readonly loss: LossName;
  /** Leave an image alone at its first success, or run all steps of every restart that is begun. */
  readonly stop: 'first-success' | 'all-steps';
  /** Which iterate of a restart stands for it: success first then loss, or the last. */
  readonly keep: 'best' | 'last';
  readonly projection: Projection;
  /** For p = 1: fill coordinates within the box, or move the one of Appendix E. The same for every other p. */
  readonly stepRule: 'box-aware' | 'plain';
  /** Integer seed of the random starts, 0 .. 2^53 - 1. */
  readonly seed: number;
  /** The valid pixels [0, 1], or null to leave pixels unclamped. */
  readonly box: readonly [0, 1] | null;
  /** A success counts only when its margin exceeds this fraction of the largest |logit|, in [0, 1). */
  readonly successMargin: number;
  /** Keep the iterate of restart 0 after every so many steps, 1 .. steps. */
  readonly snapshotsEvery?: number;
  /** Also report success after rounding the result to 8 bits (one more forward pass per image). */
  readonly checkAt8Bits: boolean;
  /** Of the model's filters in the steps. What seems to succeed in bfloat16 counts once a float32 pass confirms it; all that is reported is float32's. */
  readonly precision: Precision;
  /** Images per engine call at most, 1 .. 4,096. */
  readonly batchSize: number;
}

/** What PGD does where a caller says nothing: 50 steps of 2/255 within 8/255 from a random start, stopping at the first success. */
export const defaultPgdOptions: PgdOptions = Object.freeze({
  norm: Number.POSITIVE_INFINITY,
  epsilon: 8 / 255,
  step: Object.freeze({ kind: 'absolute', size: 2 / 255 }),
  steps: 50,
  restarts: 1,
  start: 'uniform',
  loss: 'cross-entropy',
  stop: 'first-success',
  keep: 'best',
  projection: 'exact',
  stepRule: 'box-aware',
  seed: 0,
  box: Object.freeze([0, 1] as const),
  successMargin: 0,
  checkAt8Bits: true,
  precision: 'float32',
  batchSize: 128,
});

/** Fills what `options` leaves out. An unbounded attack starts at the image unless told otherwise, since an infinite ball has no uniform law. */
export function resolvePgdOptions(options: Partial<PgdOptions>): PgdOptions {
  const start = options.epsilon === Number.POSITIVE_INFINITY ? 'origin' : defaultPgdOptions.start;
  return { ...defaultPgdOptions, start, ...options };
}

/** The step length in pixel units; `epsilon` may differ per image. */
export function stepLength(step: StepSize, epsilon: number): number {
  return step.kind === 'absolute' ? step.size : step.size * epsilon;
}

const limits = {
  steps: [1, 100_000],
  restarts: [1, 1_000],
  batchSize: [1, 4_096],
} as const;

/** Every violation of the options themselves, by field path under `options`; empty when they are sound. `classes` is the model's number of classes. */
export function validatePgdOptions(options: PgdOptions, kind: 'untargeted' | 'targeted', classes: number): Violation[] {
  const violations: Violation[] = [];
  const refuse = (field: string, description: string): void => {
    violations.push({ field: `options.${field}`, description });
  };
  if (!(options.norm >= 1)) refuse('norm', `must be at least 1 (Infinity allowed), got ${options.norm}`);
  if (!(options.epsilon >= 0)) refuse('epsilon', `must be at least 0 (Infinity: unbounded), got ${options.epsilon}`);
  const { kind: stepKind, size } = options.step;
  if (stepKind !== 'absolute' && stepKind !== 'relative') refuse('step.kind', 'must be absolute or relative');
  if (!(size > 0 && size < Number.POSITIVE_INFINITY)) refuse('step.size', `must be positive and finite, got ${size}`);
  if (stepKind === 'relative' && options.epsilon === Number.POSITIVE_INFINITY) {
    refuse('step.kind', 'a relative step needs a finite epsilon');
  }
  for (const [field, [lowest, highest]] of Object.entries(limits) as [
    keyof typeof limits,
    readonly [number, number],
  ][]) {
    if (!isIntegerWithin(options[field], lowest, highest)) {
      refuse(field, `must be an integer from ${lowest} to ${highest}, got ${options[field]}`);
    }
  }
  if (!isIntegerWithin(options.seed, 0, Number.MAX_SAFE_INTEGER)) {
    refuse('seed', `must be an integer from 0 to 2^53 - 1, got ${options.seed}`);
  }
  if (options.snapshotsEvery !== undefined && !isIntegerWithin(options.snapshotsEvery, 1, options.steps)) {
    refuse('snapshotsEvery', `must be an integer from 1 to steps, got ${options.snapshotsEvery}`);
  }
  if (!(options.successMargin >= 0 && options.successMargin < 1)) {
    refuse('successMargin', `must lie in [0, 1), got ${options.successMargin}`);
  }
  if (options.epsilon === Number.POSITIVE_INFINITY && (options.start === 'uniform' || options.restarts > 1)) {
    const field = options.start === 'uniform' ? 'start' : 'restarts';
    refuse(field, 'an infinite budget has no uniform start: use origin or given, and one restart');
  }
  if ((options.start === 'given') !== (options.startImages !== undefined)) {
    refuse('startImages', 'must be present exactly when start is given');
  }
  violations.push(...validatePrecision(options.precision));
  const allowed: [string, string, readonly string[]][] = [
    ['start', options.start, ['uniform', 'origin', 'given']],
    ['loss', options.loss, ['cross-entropy', 'margin', 'dlr']],
    ['stop', options.stop, ['first-success', 'all-steps']],
    ['keep', options.keep, ['best', 'last']],
    ['projection', options.projection, ['exact', 'sequential']],
    ['stepRule', options.stepRule, ['box-aware', 'plain']],
  ];
  for (const [field, value, values] of allowed) {
    if (!values.includes(value)) refuse(field, `must be one of ${values.join(', ')}, got ${value}`);
  }
  if (options.loss === 'dlr' && classes < (kind === 'targeted' ? 4 : 3)) {
    refuse('loss', `dlr needs at least ${kind === 'targeted' ? 4 : 3} classes, the model has ${classes}`);
  }
  return violations;
}

function isIntegerWithin(value: number, lowest: number, highest: number): boolean {
  return Number.isInteger(value) && value >= lowest && value <= highest;
}
