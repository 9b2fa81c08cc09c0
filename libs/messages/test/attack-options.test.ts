import { resolvePgdOptions } from '@percept/attacks';
import { AttackOptions } from '@percept/contracts';
import { describe, expect, it } from 'vitest';
import { askedOptions, describeOptions } from '../src/index.js';

describe('askedOptions', () => {
  it('leaves out what the call leaves out, so that the domain chooses', () => {
    expect(askedOptions(AttackOptions.fromPartial({}), false)).toEqual({
      kind: 'options',
      options: { seed: 0, successMargin: 0 },
    });
  });

  it('takes an unbounded budget for noise without an epsilon', () => {
    const asked = askedOptions(AttackOptions.fromPartial({}), true);
    expect(asked.kind === 'options' && asked.options.epsilon).toBe(Number.POSITIVE_INFINITY);
  });

  it('names an unknown method and an unknown enum value at once', () => {
    const asked = askedOptions(AttackOptions.fromPartial({ method: 'magic', loss: 99 as never }), false);
    expect(asked.kind === 'violations' && asked.violations.map(({ field }) => field)).toEqual([
      'options.method',
      'options.loss',
    ]);
  });

  it('turns fgsm into a single step that is kept whatever it finds', () => {
    const asked = askedOptions(AttackOptions.fromPartial({ method: 'fgsm', epsilon: 0.1 }), false);
    expect(asked.kind === 'options' && resolvePgdOptions(asked.options)).toMatchObject({
      steps: 1,
      restarts: 1,
      epsilon: 0.1,
      step: { kind: 'relative', size: 1 },
      keep: 'last',
    });
  });

  it('comes back unchanged from the description of what was used', () => {
    const message = AttackOptions.fromPartial({
      method: 'pgd',
      norm: 2,
      epsilon: 0.5,
      step: { $case: 'absoluteStep', value: 0.1 },
      steps: 7,
      restarts: 3,
      start: 2,
      loss: 2,
      stop: 2,
      keep: 2,
      projection: 2,
      stepRule: 2,
      seed: 5,
    });
    const asked = askedOptions(message, false);
    const options = resolvePgdOptions(asked.kind === 'options' ? asked.options : {});
    expect(describeOptions('pgd', options)).toEqual(message);
  });
});
