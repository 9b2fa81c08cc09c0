import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  budgetGrid,
  ledgerToTensors,
  profile,
  robustAccuracyCurve,
  type Samples,
  selectSamples,
  type Witness,
  type WitnessLedger,
} from '@percept/measures';
import { type ModelSpec, PreActResNet } from '@percept/models';
import { selectEngine, uniformArray, writeSafetensors } from '@percept/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type VerificationSources, verifyReport, witnessFile } from '../src/verify-report.js';

const spec: ModelSpec = {
  architecture: 'preact-resnet',
  width: 2,
  blocks: [1, 1, 1, 1],
  classes: 3,
  height: 8,
  widthPixels: 8,
  channels: 1,
  mean: [0.5],
  std: [0.02],
};
const dataset = {
  name: 'noise',
  split: 'test',
  digest: 'd'.repeat(64),
  classNames: ['a', 'b', 'c'],
  height: 8,
  width: 8,
  channels: 1,
};
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A report on disk with what its sources give. */
interface Stored {
  readonly folder: string;
  readonly sources: VerificationSources;
}

let weights: Uint8Array;
let otherWeights: Uint8Array;
let samples: Samples;
let ledger: WitnessLedger;
const folders: string[] = [];

/** Writes a report of `told`; `signed` tells the digest of what is written, as one who covers his traces would. */
async function store(told: WitnessLedger, change: { signed?: boolean; curveOf?: WitnessLedger } = {}): Promise<Stored> {
  const folder = await mkdtemp(path.join(tmpdir(), 'percept-verify-'));
  folders.push(folder);
  const encode = (one: WitnessLedger): Uint8Array => {
    const { tensors, metadata } = ledgerToTensors(one);
    return writeSafetensors(tensors, metadata);
  };
  const report = {
    dataset,
    models: [
      {
        name: 'noisy model',
        digest: sha256(weights),
        spec,
        profile: {
          witnessesSha256: sha256(encode(change.signed ? told : ledger)),
          curve: robustAccuracyCurve(change.curveOf ?? told),
        },
      },
    ],
  };
  await writeFile(path.join(folder, 'report.json'), JSON.stringify(report));
  await writeFile(path.join(folder, witnessFile('noisy model')), encode(told));
  return { folder, sources: sourcesOf(weights) };
}

function sourcesOf(given: Uint8Array): VerificationSources {
  return {
    splitDigest: async () => dataset.digest,
    weights: async () => given,
    samples: async (_name, _split, ids) =>
      selectSamples(
        samples,
        Array.from(ids, (id) => samples.ids.indexOf(id)),
      ),
  };
}

const verification = { every: 1, signal: new AbortController().signal, onProgress: () => undefined };

async function failuresOf({ folder, sources }: Stored, every = 1): Promise<readonly string[]> {
  const [verified] = await verifyReport(folder, sources, { ...verification, every });
  return verified?.failures ?? ['nothing was verified'];
}

/** The ledger with the witness of `entry` changed. */
function withWitness(entry: number, change: (witness: Witness) => Partial<Witness>): WitnessLedger {
  return {
    ...ledger,
    entries: ledger.entries.map((one, i) =>
      i === entry && one.witness ? { ...one, witness: { ...one.witness, ...change(one.witness) } } : one,
    ),
  };
}

function attacked(): number[] {
  return ledger.entries.flatMap(({ witness }, i) => (witness !== undefined && witness.budget > 0 ? [i] : []));
}

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
  const [model, other] = [PreActResNet.initialise(spec, 1), PreActResNet.initialise(spec, 2)];
  weights = writeSafetensors(model.toTensors(), {});
  otherWeights = writeSafetensors(other.toTensors(), {});
  const images = uniformArray({ seed: 1, purpose: 'test images' }, 24 * 64, 0, 1);
  const ids = Int32Array.from({ length: 24 }, (_, i) => i * 3);
  const settings = {
    norm: Number.POSITIVE_INFINITY,
    grid: budgetGrid(60, 10, 100),
    strategy: 'bisect',
    attacks: [{ name: 'pgd', options: { steps: 10, step: { kind: 'relative', size: 0.3 }, loss: 'margin' } }],
    confirmations: [],
    seed: 1,
    batchSize: 24,
  } as const;
  const clean = await profile(model, { images, labels: new Int32Array(24), ids }, { ...settings, grid: [0] });
  const labels = Int32Array.from(clean.entries, ({ cleanPrediction }, i) => (i % 8 === 0 ? 2 : cleanPrediction));
  samples = { images, labels, ids };
  ledger = await profile(model, samples, settings);
  model.dispose();
  other.dispose();
}, 120_000);

afterAll(async () => {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

describe('verifyReport', () => {
  it('confirms a true report', async () => {
    expect(attacked().length).toBeGreaterThan(3);
    expect(await failuresOf(await store(ledger))).toEqual([]);
  });

  it('refutes a report whose witnesses differ in a single pixel, by the ledger’s digest', async () => {
    const flipped = withWitness(attacked()[0] as number, ({ image }) => ({
      image: image.map((value, i) => (i === 40 ? 1 - value : value)),
    }));
    expect((await failuresOf(await store(flipped))).join()).toMatch(/ledger was changed/);
  });

  it('refutes the flipped pixel by its distance, although the report was signed anew', async () => {
    const at = attacked()[0] as number;
    const flipped = withWitness(at, ({ image }) => ({
      image: image.map((value, i) => (i === 40 ? Number(value < 0.5) : value)),
    }));
    const failures = await failuresOf(await store(flipped, { signed: true }));
    expect(failures).toHaveLength(1);
    expect(failures[0]).toMatch(new RegExp(`sample ${ledger.entries[at]?.id}: its distance .* exceeds`));
  });

  it('refutes swapped witnesses, signed anew', async () => {
    const [a, b] = attacked() as [number, number];
    const swapped = {
      ...ledger,
      entries: ledger.entries.map((entry, i) => {
        const from = ledger.entries[i === a ? b : i === b ? a : i];
        return from?.witness ? { ...entry, witness: from.witness } : entry;
      }),
    };
    const failures = await failuresOf(await store(swapped, { signed: true }));
    expect(failures.filter((failure) => failure.includes('exceeds'))).toHaveLength(2);
  });

  it('refutes another model’s weights by their digest and by what they predict', async () => {
    const { folder } = await store(ledger);
    const failures = await failuresOf({ folder, sources: sourcesOf(otherWeights) });
    expect(failures[0]).toMatch(/weights are others/);
    expect(failures.some((failure) => failure.includes('does not misclassify'))).toBe(true);
  });

  it('refutes a curve that its ledger does not give, a changed label and another split', async () => {
    const standing = { ...ledger, entries: ledger.entries.map(({ witness: _, ...entry }) => entry) };
    expect(await failuresOf(await store(ledger, { curveOf: standing }))).toEqual([
      'its curve is not the one that its ledger gives',
    ]);
    const entries = ledger.entries.map((entry, i) =>
      i === attacked()[0] ? { ...entry, label: (entry.label + 1) % 3 } : entry,
    );
    expect((await failuresOf(await store({ ...ledger, entries }, { signed: true }))).join()).toMatch(/label/);
    const { folder, sources } = await store(ledger);
    const elsewhere = { ...sources, splitDigest: async () => 'other' };
    expect((await failuresOf({ folder, sources: elsewhere })).join()).toMatch(/split/);
  });

  it('checks the models asked for, and names those that there are where one is unknown', async () => {
    const { folder, sources } = await store(ledger);
    const asking = (models: readonly string[]): ReturnType<typeof verifyReport> =>
      verifyReport(folder, sources, { ...verification, models });
    expect((await asking(['noisy model'])).map(({ name }) => name)).toEqual(['noisy model']);
    expect(await asking([])).toEqual([]);
    await expect(asking(['pgd'])).rejects.toThrow('the report has no model pgd; it has noisy model');
  });

  it('answers with what is wrong where the ledger is missing or broken, and refuses a folder without a report', async () => {
    const { folder, sources } = await store(ledger);
    await writeFile(path.join(folder, witnessFile('noisy model')), 'nothing');
    expect((await failuresOf({ folder, sources })).length).toBeGreaterThan(1);
    await rm(path.join(folder, witnessFile('noisy model')));
    expect((await failuresOf({ folder, sources })).join()).toMatch(/ENOENT/);
    await rm(path.join(folder, 'report.json'));
    await expect(failuresOf({ folder, sources })).rejects.toThrow(/holds no report.json/);
  });
});
