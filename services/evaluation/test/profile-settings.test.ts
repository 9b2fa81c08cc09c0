import { AttackLoss, AttackOptions, DatasetDescription, ProfileSettings } from '@percept/contracts';
import { describe, expect, it } from 'vitest';
import { profileSettingsOf } from '../src/profile-settings.js';

const digits = DatasetDescription.fromPartial({
  defaults: { epsilon: 0.2, norm: Number.POSITIVE_INFINITY, grid: [0, 0.1, 0.2] },
});

function settings(asked: Parameters<typeof ProfileSettings.fromPartial>[0]): ReturnType<typeof profileSettingsOf> {
  return profileSettingsOf(ProfileSettings.fromPartial(asked), digits);
}

describe('profileSettingsOf', () => {
  it.each([
    [{}, 'pgd-50'],
    [{ steps: 20, restarts: 2, loss: AttackLoss.MARGIN }, 'pgd-20x2-margin'],
    [{ method: 'fgsm' }, 'fgsm-1'],
    [{ method: 'autoattack' }, 'autoattack'],
    [{ method: 'autoattack', steps: 10, queries: 20 }, 'autoattack-10-20'],
    [{ method: 'square', queries: 50, restarts: 2 }, 'square-50x2'],
    [{ method: 'apgd-ce', steps: 10 }, 'apgd-ce-10'],
  ])('names the attack %j %s', (attack, name) => {
    const [named] = settings({ attack }).attacks;
    expect(named?.name).toBe(name);
  });

  it('tries further attacks after the first, counting those of one name', () => {
    const step = (value: number) => ({ steps: 10, step: { $case: 'relativeStep', value } as const });
    const { attacks, confirmations } = settings({
      attack: step(0.3),
      furtherAttacks: [step(1), { method: 'square' }],
      confirmations: [{ attack: step(2) }],
    });
    expect(attacks.map(({ name }) => name)).toEqual(['pgd-10', 'pgd-10-no2', 'square']);
    expect(confirmations.map(({ attack }) => attack.name)).toEqual(['pgd-10-no3']);
  });

  it.each([
    [undefined, { kind: 'frontier', from: 0 }],
    [{ $case: 'frontierFrom', value: 0.1 } as const, { kind: 'frontier', from: 0.1 }],
    [{ $case: 'budget', value: 0.2 } as const, { kind: 'budget', epsilon: 0.2 }],
  ])('confirms at %j as %j', (place, at) => {
    expect(settings({ confirmations: [{ attack: {}, place }] }).confirmations[0]?.at).toEqual(at);
  });

  it('gives every attack the norm and the seed of the first, whatever the others say', () => {
    const other = AttackOptions.fromPartial({ method: 'square', norm: 2, seed: 9, epsilon: 0.3 });
    const found = settings({
      attack: { norm: 1, seed: 5 },
      furtherAttacks: [other],
      confirmations: [{ attack: other }],
    });
    expect(found).toMatchObject({ norm: 1, seed: 5 });
    const [, further] = found.attacks;
    expect([further, found.confirmations[0]?.attack].map((attack) => attack?.options)).toEqual([{}, {}]);
  });
});
