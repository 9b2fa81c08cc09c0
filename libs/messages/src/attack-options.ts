import { fgsmAsPgd, inversionAsPgd, type LossName, type PgdOptions, type Violation } from '@percept/attacks';
import { AttackLoss, type AttackOptions, KeepRule, Projection, StartLaw, StepRule, StopRule } from '@percept/contracts';

const losses: Record<number, LossName> = {
  [AttackLoss.CROSS_ENTROPY]: 'cross-entropy',
  [AttackLoss.MARGIN]: 'margin',
  [AttackLoss.DLR]: 'dlr',
};
const starts: Record<number, 'uniform' | 'origin'> = { [StartLaw.UNIFORM]: 'uniform', [StartLaw.ORIGIN]: 'origin' };
const stops: Record<number, PgdOptions['stop']> = {
  [StopRule.FIRST_SUCCESS]: 'first-success',
  [StopRule.ALL_STEPS]: 'all-steps',
};
const keeps: Record<number, PgdOptions['keep']> = { [KeepRule.BEST]: 'best', [KeepRule.LAST]: 'last' };
const projections: Record<number, PgdOptions['projection']> = {
  [Projection.EXACT]: 'exact',
  [Projection.SEQUENTIAL]: 'sequential',
};
const stepRules: Record<number, PgdOptions['stepRule']> = {
  [StepRule.BOX_AWARE]: 'box-aware',
  [StepRule.PLAIN]: 'plain',
};

const methods = ['pgd', 'fgsm', 'inversion'] as const;

/** What a call asks for: the options that it names, or every name that is unknown. */
export type AskedOptions =
  | { readonly kind: 'options'; readonly options: Partial<PgdOptions> }
  | { readonly kind: 'violations'; readonly violations: readonly Violation[] };

/**
 * Translates a call's attack options to those of the domain; what is absent stays absent, so that the domain's defaults hold.
 *
 * `fromNoise`: the images are noise, for which an absent epsilon means an unbounded attack.
 */
export function askedOptions(message: AttackOptions | undefined, fromNoise: boolean): AskedOptions {
  if (message === undefined) return { kind: 'options', options: fromNoise ? inversionAsPgd() : {} };
  const violations: Violation[] = [];
  const choose = <Value>(field: string, table: Record<number, Value>, value: number): Value | undefined => {
    if (value === 0) return undefined;
    if (table[value] === undefined)
      violations.push({ field: `options.${field}`, description: `unknown value ${value}` });
    return table[value];
  };
  const method = message.method === '' ? 'pgd' : message.method;
  if (!methods.some((known) => known === method)) {
    violations.push({
      field: 'options.method',
      description: `unknown method "${method}": one of ${methods.join(', ')}`,
    });
  }
  const named = withoutAbsent({
    norm: message.norm,
    epsilon: message.epsilon ?? (fromNoise ? Number.POSITIVE_INFINITY : undefined),
    step: askedStep(message),
    steps: message.steps,
    restarts: message.restarts,
    start: choose('start', starts, message.start),
    loss: choose('loss', losses, message.loss),
    stop: choose('stop', stops, message.stop),
    keep: choose('keep', keeps, message.keep),
    projection: choose('projection', projections, message.projection),
    stepRule: choose('step_rule', stepRules, message.stepRule),
    snapshotsEvery: message.snapshotsEvery,
    seed: message.seed,
    successMargin: message.successMargin,
  });
  if (violations.length > 0) return { kind: 'violations', violations };
  return { kind: 'options', options: byMethod(method, named) };
}

function byMethod(method: string, named: Partial<PgdOptions>): Partial<PgdOptions> {
  if (method === 'inversion') return inversionAsPgd(named);
  if (method !== 'fgsm') return named;
  const { step, start, ...shared } = named;
  const relativeStep = step?.kind === 'relative' ? { relativeStep: step.size } : {};
  const single = fgsmAsPgd({ ...shared, ...relativeStep, randomStart: start === 'uniform' });
  return step?.kind === 'absolute' ? { ...single, step } : single;
}

function askedStep(message: AttackOptions): PgdOptions['step'] | undefined {
  switch (message.step?.$case) {
    case 'absoluteStep':
      return { kind: 'absolute', size: message.step.value };
    case 'relativeStep':
      return { kind: 'relative', size: message.step.value };
    default:
      return undefined;
  }
}

type Present<Shape> = { [Key in keyof Shape]?: Exclude<Shape[Key], undefined> };

function withoutAbsent<Shape extends object>(shape: Shape): Present<Shape> {
  return Object.fromEntries(Object.entries(shape).filter(([, value]) => value !== undefined)) as Present<Shape>;
}

/** The options that were used, as the answer reports them. */
export function describeOptions(method: string, options: PgdOptions): AttackOptions {
  const code = <Value>(table: Record<number, Value>, value: Value): number =>
    Number(Object.entries(table).find(([, name]) => name === value)?.[0] ?? 0);
  return {
    method: method === '' ? 'pgd' : method,
    norm: options.norm,
    epsilon: options.epsilon,
    step: { $case: options.step.kind === 'absolute' ? 'absoluteStep' : 'relativeStep', value: options.step.size },
    steps: options.steps,
    restarts: options.restarts,
    start: code(starts, options.start === 'given' ? 'origin' : options.start) as StartLaw,
    loss: code(losses, options.loss) as AttackLoss,
    stop: code(stops, options.stop) as StopRule,
    keep: code(keeps, options.keep) as KeepRule,
    projection: code(projections, options.projection) as Projection,
    stepRule: code(stepRules, options.stepRule) as StepRule,
    snapshotsEvery: options.snapshotsEvery,
    seed: options.seed,
    successMargin: options.successMargin,
  };
}
