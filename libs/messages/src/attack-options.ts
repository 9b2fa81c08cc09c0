import {
  type AttackPlan,
  attackMethods,
  fgsmAsPgd,
  inversionAsPgd,
  type LossName,
  type PartialAttackPlan,
  type PgdOptions,
  type SearchMethod,
  type SearchOptions,
  searchMethods,
  type Violation,
} from '@percept/attacks';
import { AttackLoss, AttackOptions, KeepRule, Projection, StartLaw, StepRule, StopRule } from '@percept/contracts';
import { precisionMessage, precisionsByNumber } from './precision.js';

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

const methods = attackMethods.map(({ name }) => name as string);

/** What a call asks for: the attack and the settings that it names, or everything that is wrong with them. */
export type AskedAttack =
  | { readonly kind: 'plan'; readonly plan: PartialAttackPlan }
  | { readonly kind: 'violations'; readonly violations: readonly Violation[] };

/** As `AskedAttack`, where only PGD and its relatives will do. */
export type AskedOptions =
  | { readonly kind: 'options'; readonly options: Partial<PgdOptions> }
  | { readonly kind: 'violations'; readonly violations: readonly Violation[] };

/** What a method may be called beside its own name. */
const aliases: Readonly<Record<string, string>> = { '': 'pgd', 'fab-t': 'fab', apgd: 'apgd-ce', aa: 'autoattack' };

/** As `askedAttack`, refusing every method but PGD and its relatives. */
export function askedOptions(message: AttackOptions | undefined, fromNoise: boolean): AskedOptions {
  const asked = askedAttack(message, fromNoise);
  if (asked.kind === 'violations') return asked;
  if (asked.plan.kind === 'pgd') return { kind: 'options', options: asked.plan.options };
  const description = `${asked.plan.method} does not apply here: one of pgd, fgsm, inversion`;
  return { kind: 'violations', violations: [{ field: 'options.method', description }] };
}

/**
 * Translates a call's attack options to those of the domain; what is absent stays absent, so that the domain's defaults hold.
 *
 * `fromNoise`: the images are noise, for which an absent epsilon means an unbounded attack. A setting that means nothing to the method is a violation.
 */
export function askedAttack(message: AttackOptions | undefined, fromNoise: boolean): AskedAttack {
  if (message === undefined) return { kind: 'plan', plan: { kind: 'pgd', options: fromNoise ? inversionAsPgd() : {} } };
  const violations: Violation[] = [];
  const choose = <Value>(field: string, table: Record<number, Value>, value: number): Value | undefined => {
    if (value === 0) return undefined;
    if (table[value] === undefined)
      violations.push({ field: `options.${field}`, description: `unknown value ${value}` });
    return table[value];
  };
  const method = aliases[message.method] ?? message.method;
  if (!methods.includes(method)) {
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
    precision: choose('precision', precisionsByNumber, message.precision),
    snapshotsEvery: message.snapshotsEvery,
    seed: message.seed,
    successMargin: message.successMargin,
  });
  const searched = withoutAbsent({
    queries: message.queries,
    targetClasses: message.targetClasses,
    momentum: message.momentum,
    rho: message.rho,
  });
  violations.push(...meaningless(method, { ...named, ...searched }));
  if (violations.length > 0) return { kind: 'violations', violations };
  if (!isSearch(method)) return { kind: 'plan', plan: { kind: 'pgd', options: byMethod(method, named) } };
  const options = { ...named, ...searched } as Partial<SearchOptions>;
  return { kind: 'plan', plan: { kind: 'search', method, options } };
}

function isSearch(method: string): method is SearchMethod {
  return searchMethods.some((known) => known === method);
}

/** What applies to every method, whether its schema names it or not: the threshold of success, which reports fix, and the pictures on the way. */
const everywhere = ['successMargin', 'seed', 'norm', 'epsilon'];

/** Settings of one family of methods that were given to a method of the other, or to one whose schema does not have them. */
function meaningless(method: string, given: object): Violation[] {
  const schema = attackMethods.find(({ name }) => name === method)?.parameters.map(({ name }) => name.split('.')[0]);
  if (schema === undefined) return [];
  const searching = ['queries', 'targetClasses', 'momentum', 'rho'];
  return Object.keys(given)
    .filter((name) => (isSearch(method) ? !everywhere.includes(name) : searching.includes(name)))
    .filter((name) => !schema.includes(name))
    .map((name) => ({
      field: `options.${name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
      description: `means nothing to ${method}`,
    }));
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

/** The settings of an attack as they were used, as the answer reports them; `method` is the name that the caller gave. */
export function describeAttack(method: string, plan: AttackPlan): AttackOptions {
  return plan.kind === 'pgd' ? describeOptions(method, plan.options) : describeSearch(plan.method, plan.options);
}

function describeSearch(method: SearchMethod, options: SearchOptions): AttackOptions {
  const schema = attackMethods.find(({ name }) => name === method)?.parameters.map(({ name }) => name) ?? [];
  const only = <Value>(name: string, value: Value): Value | undefined => (schema.includes(name) ? value : undefined);
  return AttackOptions.fromPartial({
    method,
    norm: options.norm,
    epsilon: options.epsilon,
    steps: only('steps', options.steps),
    restarts: options.restarts,
    stop: code(stops, options.stop) as StopRule,
    projection: (schema.includes('projection') ? code(projections, options.projection) : 0) as Projection,
    seed: options.seed,
    successMargin: options.successMargin,
    queries: only('queries', options.queries),
    targetClasses: only('targetClasses', options.targetClasses),
    momentum: only('momentum', options.momentum),
    rho: only('rho', options.rho),
    precision: precisionMessage(options.precision),
  });
}

function code<Value>(table: Record<number, Value>, value: Value): number {
  return Number(Object.entries(table).find(([, name]) => name === value)?.[0] ?? 0);
}

/** The options of PGD or one of its relatives as they were used. */
export function describeOptions(method: string, options: PgdOptions): AttackOptions {
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
    queries: undefined,
    targetClasses: undefined,
    momentum: undefined,
    rho: undefined,
    precision: precisionMessage(options.precision),
  };
}
