import type { PartialAttackPlan, PgdOptions, SearchOptions } from '@percept/attacks';
import {
  type DatasetDescription,
  type ProfileSettings as ProfileSettingsMessage,
  ProfileStrategy,
} from '@percept/contracts';
import type { ProfileStrategy as DomainStrategy, NamedAttack, ProfileSettings } from '@percept/measures';
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
  const asked = askedAttack(message?.attack, false);
  const plan = asked.kind === 'plan' ? asked.plan : ({ kind: 'pgd', options: {} } as const);
  const { norm, seed = 0 } = plan.options;
  const grid = message?.grid.length ? message.grid : (dataset.defaults?.grid ?? []);
  return {
    norm: norm ?? dataset.defaults?.norm ?? Number.POSITIVE_INFINITY,
    grid,
    strategy: strategies[message?.strategy ?? 0] ?? 'ascending',
    attacks: [namedAttack(message?.attack?.method ?? '', plan)],
    confirmations: [],
    seed,
    batchSize: profileBatch,
  };
}

/** Such as `pgd-50x10-margin`: method, steps, restarts where there are several, and the loss where it is not cross-entropy; a searching attack's is its method. */
function namedAttack(method: string, plan: PartialAttackPlan): NamedAttack {
  if (plan.kind === 'search')
    return { name: plan.method, method: plan.method, options: withoutOfProfile(plan.options) };
  const { steps = 50, restarts = 1, loss = 'cross-entropy' } = plan.options;
  const times = restarts > 1 ? `x${restarts}` : '';
  const name = `${method || 'pgd'}-${steps}${times}${loss === 'cross-entropy' ? '' : `-${loss}`}`;
  return { name, options: withoutOfProfile(plan.options) };
}

/** Leaves out what a profile decides itself. */
function withoutOfProfile<Options extends Partial<PgdOptions | SearchOptions>>(options: Options) {
  const { norm: _norm, epsilon: _epsilon, seed: _seed, batchSize: _batch, successMargin: _margin, ...rest } = options;
  return rest;
}
