import {
  type DatasetDescription,
  type ProfileSettings as ProfileSettingsMessage,
  ProfileStrategy,
} from '@percept/contracts';
import type { ProfileStrategy as DomainStrategy, NamedAttack, ProfileSettings } from '@percept/measures';
import { askedOptions } from '@percept/messages';

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
  const asked = askedOptions(message?.attack, false);
  const {
    norm,
    epsilon: _epsilon,
    seed = 0,
    batchSize: _batch,
    successMargin: _margin,
    ...options
  } = asked.kind === 'options' ? asked.options : {};
  const grid = message?.grid.length ? message.grid : (dataset.defaults?.grid ?? []);
  return {
    norm: norm ?? dataset.defaults?.norm ?? Number.POSITIVE_INFINITY,
    grid,
    strategy: strategies[message?.strategy ?? 0] ?? 'ascending',
    attacks: [{ name: attackName(message?.attack?.method ?? '', options), options }],
    confirmations: [],
    seed,
    batchSize: profileBatch,
  };
}

/** Such as `pgd-50x10-margin`: method, steps, restarts where there are several, and the loss where it is not cross-entropy. */
function attackName(
  method: string,
  { steps = 50, restarts = 1, loss = 'cross-entropy' }: NamedAttack['options'],
): string {
  const times = restarts > 1 ? `x${restarts}` : '';
  return `${method || 'pgd'}-${steps}${times}${loss === 'cross-entropy' ? '' : `-${loss}`}`;
}
