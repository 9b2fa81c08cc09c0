import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Embedded, startEmbedded } from '../src/hosting/embedded.js';
import { type PerceptClient, perceptClient } from '../src/percept-client.js';
import { type ReproducePreset, reportedRecipes, reproducePresets } from '../src/reproduce-presets.js';
import type { ReportSummary } from '../src/reproduce-summary.js';
import { Reproduction } from '../src/reproduction.js';

const quickstart = reproducePresets.find(({ name }) => name === 'quickstart') as ReproducePreset;

/** What a report says of its models' weights and smoothness. */
interface MeasuredModels {
  readonly models: readonly { readonly digest: string; readonly smoothness: { readonly samples: number } }[];
}

/** The quickstart on so few digits that nothing is learnt, but every part has its turn. */
const tiny: ReproducePreset = {
  ...quickstart,
  name: 'tiny',
  width: 2,
  trainLimit: 50,
  testSamples: 30,
  inversion: { steps: 4, step: 2 / 255 },
  smoothnessSamples: 2,
  recognizability: {
    pictures: 10,
    norm: 2,
    step: 0.5,
    steps: 20,
    judges: [{ recipe: 'fgsm', width: 3, blocks: [1, 1, 1, 1], epochs: 1 }],
  },
};

describe('the whole experiment, over the real services', () => {
  const { signal } = new AbortController();
  const warnings: string[] = [];
  const note = (warning: Error): void => {
    warnings.push(`${warning.name}: ${warning.message}`);
  };
  let folder: string;
  let embedded: Embedded;
  let client: PerceptClient;

  beforeAll(async () => {
    process.on('warning', note);
    folder = await mkdtemp(path.join(tmpdir(), 'percept-reproduction-'));
    embedded = await startEmbedded({
      dataFolder: path.join(folder, 'data'),
      host: '127.0.0.1',
      port: 0,
      workers: 2,
      threads: 1,
      dashboard: undefined,
      logLevel: 'error',
    });
    client = perceptClient(embedded.endpoints);
  });

  afterAll(async () => {
    process.off('warning', note);
    client?.close();
    await embedded?.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('ends with a report of every recipe with its figures, uses what is there when it is run again, and measures anew what has changed', {
    timeout: 600_000,
  }, async () => {
    const run = (out: string, preset = tiny): Promise<string> =>
      new Reproduction(client, preset, 0, '', signal).run(path.join(folder, out));
    const page = await run('first');
    expect(await readFile(page, 'utf8')).toContain('figure');
    const first = await readFile(path.join(folder, 'first', 'report.json'));
    const report = JSON.parse(first.toString()) as ReportSummary;
    expect(report.models.map(({ displayName }) => displayName)).toEqual(reportedRecipes);
    for (const { profile } of report.models) {
      const accuracies = profile.curve.map(({ accuracy }) => accuracy.estimate);
      expect(accuracies).toEqual([...accuracies].sort((a, b) => b - a));
    }
    const figures = await readdir(path.join(folder, 'first', 'figures'));
    for (const figure of ['figure-1-1', 'figure-4-1', 'figure-4-2', 'figure-recognizability'])
      expect(figures).toEqual(expect.arrayContaining([`${figure}.png`, `${figure}.svg`]));
    await run('second');
    expect((await readFile(path.join(folder, 'second', 'report.json'))).equals(first)).toBe(true);
    await run('third', { ...tiny, smoothnessSamples: 3 });
    const third = JSON.parse(await readFile(path.join(folder, 'third', 'report.json'), 'utf8')) as MeasuredModels;
    const before = JSON.parse(first.toString()) as MeasuredModels;
    expect(third.models.map(({ digest }) => digest)).toEqual(before.models.map(({ digest }) => digest));
    expect(third.models.map(({ smoothness }) => smoothness.samples)).toEqual(third.models.map(() => 3));
    expect(warnings).toEqual([]);
  });
});
