import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

interface Report {
  readonly models: readonly {
    readonly displayName: string;
    readonly profile: {
      readonly curve: readonly { readonly epsilon: number; readonly accuracy: { readonly estimate: number } }[];
    };
    readonly collapse: { readonly collapsed: boolean };
  }[];
}

const cli = path.join(import.meta.dirname, '../../tools/cli/bin/percept.js');

describe('percept reproduce --preset quickstart', () => {
  let folder: string;
  let report: Report;
  let errors: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'percept-quickstart-'));
    const options = ['--data-folder', path.join(folder, 'data'), '--out', path.join(folder, 'report')];
    const { stderr } = await promisify(execFile)(process.execPath, [cli, 'reproduce', ...options]);
    errors = stderr;
    report = JSON.parse(await readFile(path.join(folder, 'report', 'report.json'), 'utf8')) as Report;
  }, 1_800_000);

  afterAll(async () => {
    await rm(folder, { recursive: true, force: true });
  });

  const model = (name: string) => {
    const found = report.models.find(({ displayName }) => displayName === name);
    if (found === undefined) throw new RangeError(`the report has no model ${name}`);
    return found;
  };

  const accuracyAt = (name: string, epsilon: number): number => {
    const point = model(name).profile.curve.find((one) => Math.abs(one.epsilon - epsilon) < 1e-9);
    if (point === undefined) throw new RangeError(`the curve of ${name} has no budget ${epsilon}`);
    return point.accuracy.estimate;
  };

  it('trains a standard model that is accurate and fragile', () => {
    expect(accuracyAt('standard', 0)).toBeGreaterThanOrEqual(0.96);
    expect(accuracyAt('standard', 0.2)).toBeLessThanOrEqual(0.1);
  });

  it.each(['pgd', 'trades'])('trains a %s model that is accurate and robust', (name) => {
    expect(accuracyAt(name, 0)).toBeGreaterThanOrEqual(0.93);
    expect(accuracyAt(name, 0.2)).toBeGreaterThanOrEqual(0.8);
  });

  it('shows that distillation learns the digits and does not defend them', () => {
    expect(accuracyAt('distilled', 0)).toBeGreaterThanOrEqual(0.9);
    expect(accuracyAt('distilled', 0.2)).toBeLessThanOrEqual(0.1);
  });

  it('flags TRADES with beta 10,000, and it alone, as collapsed', () => {
    const collapsed = report.models.filter(({ collapse }) => collapse.collapsed).map(({ displayName }) => displayName);
    expect(collapsed).toEqual(['trades-10000']);
  });

  it('draws every curve over the whole grid, and none that rises', () => {
    for (const { profile } of report.models) {
      expect(profile.curve).toHaveLength(21);
      const accuracies = profile.curve.map(({ accuracy }) => accuracy.estimate);
      expect(accuracies).toEqual([...accuracies].sort((a, b) => b - a));
    }
  });

  it('warns of nothing', () => {
    expect(errors).not.toContain('Warning');
  });
});
