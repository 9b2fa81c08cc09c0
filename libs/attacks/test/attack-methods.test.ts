import { describe, expect, it } from 'vitest';
import {
  attackMethods,
  defaultPgdOptions,
  inversionStarts,
  resolvePgdOptions,
  validatePgdOptions,
} from '../src/index.js';

describe('attackMethods', () => {
  it.each(
    attackMethods.flatMap((method) => method.parameters.map((parameter) => ({ method: method.name, ...parameter }))),
  )('$method describes $name with a default within its range', (parameter) => {
    expect(parameter.description).not.toBe('');
    if (parameter.type === 'choice') expect(parameter.choices).toContain(parameter.default);
    else if (parameter.type === 'boolean') expect(typeof parameter.default).toBe('boolean');
    else {
      expect(parameter.default).toBeGreaterThanOrEqual(parameter.minimum as number);
      expect(parameter.default).toBeLessThanOrEqual(parameter.maximum as number);
    }
  });

  it('offers only choices that validation accepts', () => {
    const pgd = attackMethods.find((method) => method.name === 'pgd');
    for (const parameter of pgd?.parameters ?? []) {
      for (const choice of parameter.choices ?? []) {
        if (parameter.name.includes('.')) continue;
        const options = { ...defaultPgdOptions, [parameter.name]: choice };
        expect(validatePgdOptions(options, 'untargeted', 10)).toEqual([]);
      }
    }
  });
});

describe('validatePgdOptions', () => {
  it.each([
    ['norm', { norm: 0.99 }],
    ['norm', { norm: Number.NaN }],
    ['epsilon', { epsilon: -1e-9 }],
    ['epsilon', { epsilon: Number.NaN }],
    ['step.size', { step: { kind: 'absolute', size: 0 } }],
    ['step.size', { step: { kind: 'relative', size: Number.POSITIVE_INFINITY } }],
    ['step.kind', { epsilon: Number.POSITIVE_INFINITY, step: { kind: 'relative', size: 1 } }],
    ['steps', { steps: 1.5 }],
    ['steps', { steps: 100_001 }],
    ['restarts', { restarts: 0 }],
    ['restarts', { epsilon: Number.POSITIVE_INFINITY, restarts: 2 }],
    ['start', { epsilon: Number.POSITIVE_INFINITY, start: 'uniform' }],
    ['seed', { seed: -1 }],
    ['snapshotsEvery', { steps: 5, snapshotsEvery: 6 }],
    ['startImages', { start: 'given' }],
    ['batchSize', { batchSize: 5000 }],
    ['successMargin', { successMargin: 1 }],
  ] as const)('refuses %s in %o', (field, options) => {
    const violations = validatePgdOptions(resolvePgdOptions(options), 'untargeted', 10);
    expect(violations.map((violation) => violation.field)).toContain(`options.${field}`);
  });

  it.each([
    [3, 'untargeted', 0],
    [2, 'untargeted', 1],
    [4, 'targeted', 0],
    [3, 'targeted', 1],
  ] as const)('judges dlr with %d classes, %s', (classes, kind, count) => {
    expect(validatePgdOptions(resolvePgdOptions({ loss: 'dlr' }), kind, classes)).toHaveLength(count);
  });

  it('accepts an unbounded attack without further words', () => {
    expect(validatePgdOptions(resolvePgdOptions({ epsilon: Number.POSITIVE_INFINITY }), 'targeted', 10)).toEqual([]);
  });
});

describe('inversionStarts', () => {
  const mean = [0.4914, 0.4822, 0.4465];
  const std = [0.2471, 0.2435, 0.2616];

  it('lies within std^2 of the mean, spreads over that range, and depends only on seed and sample', () => {
    const ids = Int32Array.of(3, 9);
    const starts = inversionStarts(ids, [8, 8, 3], mean, std, 4);
    const widest = [0, 0, 0];
    for (const [i, value] of starts.entries()) {
      const c = i % 3;
      const offset = Math.abs(value - (mean[c] as number)) / (std[c] as number) ** 2;
      widest[c] = Math.max(widest[c] as number, offset);
    }
    for (const value of widest) {
      expect(value).toBeLessThanOrEqual(1 + 1e-6);
      expect(value).toBeGreaterThan(0.9);
    }
    expect(inversionStarts(Int32Array.of(9), [8, 8, 3], mean, std, 4)).toEqual(starts.slice(192));
    expect(inversionStarts(ids, [8, 8, 3], mean, std, 5)).not.toEqual(starts);
  });
});
