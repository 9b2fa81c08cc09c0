import { resolveAttackPlan, resolvePgdOptions } from '@percept/attacks';
import { AttackOptions } from '@percept/contracts';
import { describe, expect, it } from 'vitest';
import { askedAttack, askedOptions, describeAttack, describeOptions } from '../src/index.js';

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
    const asked = askedOptions(
      AttackOptions.fromPartial({ method: 'magic', loss: 99 as never, precision: 3 as never }),
      false,
    );
    expect(asked.kind === 'violations' && asked.violations.map(({ field }) => field)).toEqual([
      'options.method',
      'options.loss',
      'options.precision',
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
      precision: 2,
    });
    const asked = askedOptions(message, false);
    const options = resolvePgdOptions(asked.kind === 'options' ? asked.options : {});
    expect(describeOptions('pgd', options)).toEqual(message);
  });
});

describe('askedAttack', () => {
  it.each(['apgd-ce', 'apgd-dlr', 'apgd-t', 'fab', 'square', 'autoattack'] as const)(
    'takes %s, and comes back unchanged from the description of what was used',
    (method) => {
      const asked = askedAttack(
        AttackOptions.fromPartial({ method, epsilon: 0.2, restarts: 2, stop: 2, precision: 2 }),
        false,
      );
      if (asked.kind !== 'plan') throw new Error(JSON.stringify(asked));
      const described = describeAttack(method, resolveAttackPlan(asked.plan));
      expect(described).toMatchObject({ method, epsilon: 0.2, restarts: 2, stop: 2, precision: 2 });
      const again = askedAttack(described, false);
      if (again.kind !== 'plan') throw new Error(JSON.stringify(again));
      expect(describeAttack(method, resolveAttackPlan(again.plan))).toEqual(described);
    },
  );

  it.each([
    ['fab-t', 'fab'],
    ['apgd', 'apgd-ce'],
    ['aa', 'autoattack'],
  ])('knows %s as %s', (alias, method) => {
    const asked = askedAttack(AttackOptions.fromPartial({ method: alias }), false);
    expect(asked).toMatchObject({ kind: 'plan', plan: { kind: 'search', method } });
  });

  it.each([
    ['a loss for apgd-ce, which is its own', { method: 'apgd-ce', loss: 3 }, 'options.loss'],
    ['gradient steps for square', { method: 'square', steps: 9 }, 'options.steps'],
    ['snapshots of an ensemble', { method: 'autoattack', snapshotsEvery: 1 }, 'options.snapshots_every'],
    ['queries for pgd', { method: 'pgd', queries: 9 }, 'options.queries'],
    ['target classes for pgd, by its default name', { targetClasses: 9 }, 'options.target_classes'],
  ] as const)('refuses %s', (_, options, field) => {
    const asked = askedAttack(AttackOptions.fromPartial(options), false);
    expect(asked.kind === 'violations' && asked.violations.map((one) => one.field)).toEqual([field]);
  });

  it('is refused where only pgd will do', () => {
    const asked = askedOptions(AttackOptions.fromPartial({ method: 'square' }), true);
    expect(asked.kind === 'violations' && asked.violations.map((one) => one.field)).toEqual(['options.method']);
  });
});
