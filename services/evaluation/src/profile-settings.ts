import type { PartialAttackPlan, PgdOptions, SearchOptions } from '@percept/attacks';
import {
  type AttackOptions,
  type DatasetDescription,
  type ProfileConfirmation,
  type ProfileSettings as ProfileSettingsMessage,
  ProfileStrategy,
} from '@percept/contracts';
import type { Confirmation, ProfileStrategy as DomainStrategy, NamedAttack, ProfileSettings } from '@percept/measures';
import { askedAttack } from '@percept/messages';

const strategies: Record<number, DomainStrategy> = {
  [ProfileStrategy.EXHAUSTIVE]: 'exhaustive',
  [ProfileStrategy.ASCENDING]: 'ascending',
  [ProfileStrategy.BISECT]: 'bisect',
};

/** Images per engine call of a profile. */
const profileBatch = 200;

/** A request's profile settings with the data set's own grid and norm where it says nothing. Settings must have passed validation. */
export function profileSettingsOf(
  message: ProfileSettingsMessage | undefined,
  dataset: DatasetDescription,
): ProfileSettings {
  const { norm, seed = 0 } = planOf(message?.attack).options;
  const { furtherAttacks = [], confirmations = [] } = message ?? {};
  const names = new Map<string, number>();
  const name = (options: AttackOptions | undefined): NamedAttack => distinct(namedAttack(options), names);
  const grid = message?.grid.length ? message.grid : (dataset.defaults?.grid ?? []);
  return {
    norm: norm ?? dataset.defaults?.norm ?? Number.POSITIVE_INFINITY,
    grid,
    strategy: strategies[message?.strategy ?? 0] ?? 'ascending',
    attacks: [message?.attack, ...furtherAttacks].map(name),
    confirmations: confirmations.map((asked) => ({ at: placeOf(asked), attack: name(asked.attack) })),
    seed,
    batchSize: profileBatch,
  };
}

/** Where a confirmation is tried; where it does not say, at every sample's frontier. */
function placeOf({ place }: ProfileConfirmation): Confirmation['at'] {
  return place?.$case === 'budget'
    ? { kind: 'budget', epsilon: place.value }
    : { kind: 'frontier', from: place?.value ?? 0 };
}

function planOf(options: AttackOptions | undefined): PartialAttackPlan {
  const asked = askedAttack(options, false);
  return asked.kind === 'plan' ? asked.plan : { kind: 'pgd', options: {} };
}

/**
 * Such as `pgd-50x10-margin`: method, steps, restarts where there are several, and the loss where it is not cross-entropy. A searching attack has its number
 * of steps, or of queries, only where it is not the method's own, so that `autoattack` is the standard one.
 */
function namedAttack(asked: AttackOptions | undefined): NamedAttack {
  const plan = planOf(asked);
  if (plan.kind === 'search') {
    const { method, options } = plan;
    const { steps, queries, restarts = 1 } = options;
    const numbers = method === 'square' ? [queries] : [steps, queries];
    const name = [method, ...numbers.filter((number) => number !== undefined)].join('-');
    return { name: `${name}${timesOf(restarts)}`, method, options: withoutOfProfile(options) };
  }
  const { steps = 50, restarts = 1, loss = 'cross-entropy' } = plan.options;
  const name = `${asked?.method || 'pgd'}-${steps}${timesOf(restarts)}${loss === 'cross-entropy' ? '' : `-${loss}`}`;
  return { name, options: withoutOfProfile(plan.options) };
}

function timesOf(restarts: number): string {
  return restarts > 1 ? `x${restarts}` : '';
}

/** The attack under a name that none before it bears: attacks that differ in what names leave out, such as the step, are counted. */
function distinct(attack: NamedAttack, taken: Map<string, number>): NamedAttack {
  const count = (taken.get(attack.name) ?? 0) + 1;
  taken.set(attack.name, count);
  return count === 1 ? attack : { ...attack, name: `${attack.name}-no${count}` };
}

/** Leaves out what a profile decides itself. */
function withoutOfProfile<Options extends Partial<PgdOptions | SearchOptions>>(options: Options) {
  const { norm: _norm, epsilon: _epsilon, seed: _seed, batchSize: _batch, successMargin: _margin, ...rest } = options;
  return rest;
}
