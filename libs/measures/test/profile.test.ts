import { forwardLogits } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { readSafetensors, selectEngine, writeSafetensors } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  budgetGrid,
  InvalidProfileError,
  ledgerFromTensors,
  ledgerToTensors,
  mergeProfiles,
  type NamedAttack,
  type ProfileSettings,
  type ProfileStrategy,
  paperProfile,
  profile,
  robustAccuracyCurve,
  type Samples,
  selectSamples,
  shardSamples,
  verifyWitnesses,
  type WitnessLedger,
  witnessMargin,
} from '../src/index.js';
import { seededSamples, smallClassifier, thresholdClassifier } from './small-classifiers.js';

const shape = [5, 5, 1] as const;
const count = 24;
const classes = 4;
const grid = budgetGrid(12, 2, 100);
const model = (): ReturnType<typeof smallClassifier> => smallClassifier(5, shape, classes);

/** Samples labelled as the model sees them, but for every sixth, which is a clean error. */
function samples(): Samples {
  const unlabelled = seededSamples(9, count, shape, new Int32Array(count));
  const logits = forwardLogits(model(), unlabelled.images, count);
  const labels = Int32Array.from({ length: count }, (_, i) => {
    const row = Array.from(logits.subarray(i * classes, (i + 1) * classes));
    const prediction = row.indexOf(Math.max(...row));
    return i % 6 === 0 ? (prediction + 1) % classes : prediction;
  });
  return { ...unlabelled, labels };
}

function settings(change: Partial<ProfileSettings> = {}): ProfileSettings {
  return {
    norm: Number.POSITIVE_INFINITY,
    grid,
    strategy: 'ascending',
    attacks: [{ name: 'pgd', options: { steps: 8, step: { kind: 'relative', size: 0.3 } } }],
    confirmations: [],
    seed: 3,
    batchSize: 7,
    ...change,
  };
}

function comparable(ledger: WitnessLedger): unknown {
  return ledger.entries.map((entry) => ({
    ...entry,
    witness: entry.witness && { ...entry.witness, image: Array.from(entry.witness.image) },
  }));
}

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

/** Two classes: logits (w x + b, 0). */
function linearClassifier(weights: readonly number[], bias: number): Classifier {
  const matrix = tf.tensor2d(
    weights.flatMap((weight) => [weight, 0]),
    [4, 2],
  );
  return {
    classes: 2,
    inputShape: [2, 2, 1],
    logits: (images) =>
      tf.add(tf.matMul(tf.reshape(images, [images.shape[0], 4]) as tf.Tensor2D, matrix), tf.tensor1d([bias, 0])),
  };
}

/** By trying all corners of the l_inf ball within the box: the margin of a linear model is largest at one of them. */
function smallestBreakingBudget(
  weights: readonly number[],
  bias: number,
  image: Float32Array,
  label: number,
): number | undefined {
  const score = (pixels: readonly number[]): number =>
    pixels.reduce((sum, pixel, i) => sum + pixel * (weights[i] as number), bias);
  const lead = (pixels: readonly number[]): number => (label === 0 ? -score(pixels) : score(pixels));
  const predictsLabel = label === (score([...image]) >= 0 ? 0 : 1);
  if (!predictsLabel) return 0;
  const found = grid.findIndex(
    (epsilon, budget) =>
      budget > 0 &&
      Array.from({ length: 16 }, (_, corner) =>
        Array.from(image, (pixel, i) => Math.min(1, Math.max(0, pixel + ((corner >> i) & 1 ? epsilon : -epsilon)))),
      ).some((pixels) => lead(pixels) > witnessMargin * Math.abs(score(pixels))),
  );
  return found < 0 ? undefined : found;
}

const strategies = ['ascending', 'exhaustive', 'bisect'] as const;

describe('profile', () => {
  it.each(strategies)('draws a curve that never rises and begins at the clean accuracy (%s)', async (strategy) => {
    const curve = robustAccuracyCurve(await profile(model(), samples(), settings({ strategy })));
    expect(curve.map((point) => point.epsilon)).toEqual(grid);
    expect(curve[0]?.accuracy.estimate).toBe(20 / 24);
    for (let i = 1; i < curve.length; i++) expect(curve[i]?.robust).toBeLessThanOrEqual(curve[i - 1]?.robust as number);
    expect(curve.at(-1)?.robust).toBeLessThan(20);
  });

  it.each(strategies)(
    'keeps witnesses that an independent forward pass confirms, at the smallest budget that holds them (%s)',
    async (strategy) => {
      const ledger = await profile(model(), samples(), settings({ strategy }));
      const verification = verifyWitnesses(model(), samples(), ledger, 5);
      expect(verification.refuted).toEqual([]);
      expect(verification.confirmed).toBeGreaterThan(4);
    },
  );

  it.each(strategies)(
    'finds the budget at which a classifier of one pixel is known to break (%s)',
    async (strategy) => {
      const onePixel: Samples = {
        images: new Float32Array([0.5, 0.45, 0.31, 0.2]),
        labels: new Int32Array(4),
        ids: Int32Array.of(4, 3, 2, 1),
      };
      // The label leads by 10 (0.505 - x): distances 0.005, 0.055, 0.195 and 0.305.
      const ledger = await profile(
        thresholdClassifier(0.505),
        onePixel,
        settings({ strategy, grid: budgetGrid(40, 2, 100) }),
      );
      expect(ledger.entries.map((entry) => entry.witness?.budget)).toEqual([1, 3, 10, 16]);
    },
  );

  it.each(strategies)(
    'breaks every sample of a linear model at exactly the budget that trying every corner of the ball gives (%s)',
    async (strategy) => {
      const unit = fc.integer({ min: 0, max: 1_000 }).map((value) => value / 1_000);
      const linear = fc.record({
        weights: fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 4, maxLength: 4 }),
        bias: fc.integer({ min: -3, max: 3 }),
        images: fc.array(fc.array(unit, { minLength: 4, maxLength: 4 }), { minLength: 1, maxLength: 5 }),
      });
      await fc.assert(
        fc.asyncProperty(linear, async ({ weights, bias, images }) => {
          const given = settings({
            strategy,
            attacks: [{ name: 'pgd', options: { steps: 5, start: 'origin', step: { kind: 'relative', size: 0.5 } } }],
          });
          const ids = Int32Array.from(images.keys());
          const pixels = Float32Array.from(images.flat());
          const subject = { images: pixels, labels: ids.map((id) => id % 2), ids };
          const ledger = await profile(linearClassifier(weights, bias), subject, given);
          for (const [i, { witness, label }] of ledger.entries.entries()) {
            const image = pixels.subarray(i * 4, i * 4 + 4);
            expect(witness?.budget).toBe(smallestBreakingBudget(weights, bias, image, label));
          }
        }),
        { seed: 12, numRuns: 40 },
      );
    },
  );

  it('tries the largest budget when bisecting and leaves a sample that withstands it without a witness', async () => {
    const onePixel: Samples = { images: new Float32Array([0.5]), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    for (const [threshold, budget] of [
      [0.6195, 6],
      [0.63, undefined],
    ] as const) {
      const ledger = await profile(thresholdClassifier(threshold), onePixel, settings({ strategy: 'bisect' }));
      expect(ledger.entries[0]?.witness?.budget).toBe(budget);
    }
  });

  it.each(strategies)('merges shards to exactly the profile of the whole, in any order (%s)', async (strategy) => {
    const given = settings({
      strategy,
      attacks: [{ name: 'pgd', options: { steps: 4, restarts: 2, step: { kind: 'relative', size: 0.3 } } }],
    });
    const whole = await profile(model(), samples(), given);
    const shards: WitnessLedger[] = [];
    for (const shard of shardSamples(samples(), 10)) shards.unshift(await profile(model(), shard, given));
    const merged = mergeProfiles(shards);
    expect(comparable(merged)).toEqual(comparable(whole));
    expect(merged.cost.gradientImageSteps).toBe(whole.cost.gradientImageSteps);
    expect(() => mergeProfiles([whole, whole])).toThrow(/occurs twice/);
  });

  it('attacks a sample no more once it is broken, also in the exhaustive strategy', async () => {
    const onePixel: Samples = { images: new Float32Array([0.5]), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    const attack = {
      name: 'pgd',
      options: { steps: 4, start: 'origin', step: { kind: 'relative', size: 0.25 } },
    } as const;
    const given = settings({ strategy: 'exhaustive', attacks: [attack] });
    const early = await profile(thresholdClassifier(0.505), onePixel, given);
    const late = await profile(thresholdClassifier(0.9), onePixel, given);
    expect(early.cost.gradientImageSteps).toBeLessThanOrEqual(5);
    expect(late.cost.gradientImageSteps).toBe(6 * 4);
  });

  it('lets a confirming attack lower the budget of a sample already broken at a larger one', async () => {
    const weak = {
      name: 'weak',
      options: { steps: 1, start: 'origin', step: { kind: 'absolute', size: 0.001 } },
    } as const;
    const strong = { name: 'strong', options: { steps: 10, step: { kind: 'relative', size: 0.25 } } } as const;
    const onePixel: Samples = { images: new Float32Array([0.5]), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    const ledger = await profile(
      thresholdClassifier(0.55),
      onePixel,
      settings({
        attacks: [weak],
        confirmations: [
          { at: { kind: 'budget', epsilon: 0.1 }, attack: strong },
          { at: { kind: 'budget', epsilon: 0.06 }, attack: strong },
        ],
      }),
    );
    expect(ledger.entries[0]?.witness).toMatchObject({ budget: 3, attack: 'strong' });
  });

  describe('with an attack that confirms at the frontier', () => {
    const origin = { start: 'origin', steps: 5, step: { kind: 'absolute', size: 0.0005 } } as const;
    const blind = { name: 'blind', options: { ...origin, steps: 1 } } as const;
    const strong = { name: 'strong', options: { steps: 10, step: { kind: 'relative', size: 0.25 } } } as const;
    // The label leads by 10 (0.505 - x): distances 0.005, 0.035 and 0.305; the last lies beyond the grid, and the first pixel is a clean error.
    const pixels: Samples = {
      images: new Float32Array([0.55, 0.5, 0.47, 0.2]),
      labels: new Int32Array(4),
      ids: Int32Array.of(1, 2, 3, 4),
    };
    const confirmed = (attack: NamedAttack, from: number, strategy: ProfileStrategy = 'bisect'): ProfileSettings =>
      settings({ strategy, attacks: [attack], confirmations: [{ at: { kind: 'frontier', from }, attack: strong }] });
    const budgets = ({ entries }: WitnessLedger): unknown[] => entries.map(({ witness }) => witness?.budget);

    it.each(strategies)(
      'goes down from there to the smallest budget at which it breaks the sample (%s)',
      async (strategy) => {
        const ledger = await profile(thresholdClassifier(0.505), pixels, confirmed(blind, 0, strategy));
        expect(budgets(ledger)).toEqual([0, 1, 2, undefined]);
        expect(ledger.entries.map(({ witness }) => witness?.attack)).toEqual(['clean', 'strong', 'strong', undefined]);
      },
    );

    it('leaves a sample alone whose frontier lies below the least', async () => {
      const gradients = async (given: ProfileSettings): Promise<number> =>
        (await profile(thresholdClassifier(0.505), pixels, given)).cost.gradientImageSteps;
      const alone = await gradients(settings({ strategy: 'bisect', attacks: [strong] }));
      expect(await gradients(confirmed(strong, 0.14))).toBe(alone);
      const ofLast = await gradients(confirmed(strong, 0.12));
      expect(ofLast).toBeGreaterThan(alone);
      expect(await gradients(confirmed(strong, 0.02))).toBeGreaterThan(ofLast);
    });

    it("gives a sample the entry that it has alone, whatever the others' are", async () => {
      const square = { name: 'square', method: 'square', options: { queries: 9 } } as const;
      const given = settings({
        strategy: 'bisect',
        attacks: [{ name: 'weak', options: { ...origin, start: 'uniform' } }],
        confirmations: [
          { at: { kind: 'frontier', from: 0.04 }, attack: { name: 'apgd', method: 'apgd-ce', options: { steps: 4 } } },
          { at: { kind: 'frontier', from: 0 }, attack: square },
        ],
      });
      const whole = await profile(model(), samples(), given);
      expect(new Set(whole.entries.map(({ witness }) => witness?.attack)).size).toBeGreaterThan(2);
      const alone = await Promise.all(
        Array.from({ length: count }, (_, i) => profile(model(), selectSamples(samples(), [i]), given)),
      );
      expect(comparable(mergeProfiles(alone))).toEqual(comparable(whole));
      expect(verifyWitnesses(model(), samples(), whole).refuted).toEqual([]);
    });
  });

  it('takes an ensemble for an attack, which breaks whatever its first member breaks', async () => {
    const first = { name: 'first', method: 'apgd-ce', options: { steps: 8 } } as const;
    const all = { name: 'all', method: 'autoattack', options: { steps: 8, queries: 20, targetClasses: 2 } } as const;
    const weaker = await profile(model(), samples(), settings({ strategy: 'bisect', attacks: [first] }));
    const stronger = await profile(model(), samples(), settings({ strategy: 'bisect', attacks: [all] }));
    const budgetOf = (ledger: WitnessLedger, i: number): number => ledger.entries[i]?.witness?.budget ?? grid.length;
    for (let i = 0; i < count; i++) expect(budgetOf(stronger, i)).toBeLessThanOrEqual(budgetOf(weaker, i));
    expect(stronger.entries.some(({ witness }) => witness?.attack === 'all')).toBe(true);
    expect(verifyWitnesses(model(), samples(), stronger, 7).refuted).toEqual([]);
  });

  it('reports progress that never falls, ends at 1 and carries the curve as it fills in', async () => {
    const fractions: number[] = [];
    const curves: number[] = [];
    await profile(model(), samples(), settings(), {
      onProgress: (progress) => fractions.push(progress.fraction),
      onCurve: (curve) => curves.push(curve.at(-1)?.robust as number),
    });
    expect(fractions).toEqual(fractions.toSorted((a, b) => a - b));
    expect(fractions.at(-1)).toBe(1);
    expect(curves.length).toBe(grid.length);
  });

  it('stops when it is told to and rejects with the reason', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    let reports = 0;
    const running = profile(model(), samples(), settings(), {
      signal: controller.signal,
      onProgress: () => {
        if (++reports === 4) controller.abort(reason);
      },
    });
    await expect(running).rejects.toBe(reason);
    expect(reports).toBeLessThanOrEqual(5);
  });

  it('survives a round trip through tensors and refuses tensors that do not fit together', async () => {
    const ledger = await profile(model(), samples(), settings());
    const stored = ledgerToTensors(ledger);
    const file = writeSafetensors(stored.tensors, stored.metadata);
    expect(ledgerFromTensors(readSafetensors(file))).toEqual(ledger);
    const { images, ...rest } = stored.tensors;
    expect(images?.shape[0]).toBeGreaterThan(0);
    expect(() => ledgerFromTensors({ ...stored, tensors: rest })).toThrow(/images/);
    expect(() => ledgerFromTensors({ ...stored, metadata: { ...stored.metadata, ledger: '{' } })).toThrow(/JSON/);
  });

  it('refutes a witness whose image, budget or label has been tampered with', async () => {
    const ledger = await profile(model(), samples(), settings());
    const at = ledger.entries.findIndex((entry) => entry.witness !== undefined && entry.witness.budget > 1);
    const tamper = (change: object): WitnessLedger => ({
      ...ledger,
      entries: ledger.entries.map((entry, i) =>
        i === at && entry.witness ? { ...entry, witness: { ...entry.witness, ...change } } : entry,
      ),
    });
    const clean = samples().images.slice(at * 25, (at + 1) * 25);
    expect(verifyWitnesses(model(), samples(), tamper({ image: clean })).refuted).toHaveLength(1);
    expect(verifyWitnesses(model(), samples(), tamper({ budget: 1 })).refuted).toHaveLength(1);
    expect(verifyWitnesses(model(), samples(), tamper({ image: clean.map(() => 2) })).refuted).toHaveLength(1);
  });

  it('names every violation of its settings at once', async () => {
    const error = await profile(
      model(),
      samples(),
      settings({
        norm: 0.5,
        grid: [0.1, 0.1],
        confirmations: [
          { at: { kind: 'budget', epsilon: 0.5 }, attack: { name: 'pgd', options: { steps: 0 } } },
          { at: { kind: 'frontier', from: -1 }, attack: { name: 'pgd', options: {} } },
        ],
      }),
    ).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidProfileError);
    expect((error as InvalidProfileError).violations.map(({ field }) => field)).toEqual([
      'grid[0]',
      'grid[1]',
      'attacks[0].options.norm',
      'confirmations[0].attack.options.norm',
      'confirmations[0].attack.options.steps',
      'confirmations[1].attack.options.norm',
      'confirmations[0].at.epsilon',
      'confirmations[1].at.from',
    ]);
  });

  it.each([
    ['samples', { images: new Float32Array(), labels: new Int32Array(), ids: new Int32Array() }],
    ['samples.images', { images: new Float32Array(24), labels: new Int32Array(1), ids: Int32Array.of(0) }],
    ['samples.images', { images: new Float32Array(25).fill(1.1), labels: new Int32Array(1), ids: Int32Array.of(0) }],
    ['samples.labels[0]', { images: new Float32Array(25), labels: Int32Array.of(4), ids: Int32Array.of(0) }],
    ['samples.ids', { images: new Float32Array(50), labels: new Int32Array(2), ids: Int32Array.of(7, 7) }],
  ])('refuses samples that break a rule, naming %s', async (field, bad) => {
    const error = await profile(model(), bad, settings()).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidProfileError);
    expect((error as InvalidProfileError).violations.map((violation) => violation.field)).toEqual([field]);
  });

  it("runs with the paper's settings", async () => {
    const ledger = await profile(model(), samples(), paperProfile(Number.POSITIVE_INFINITY, grid, 0));
    expect(verifyWitnesses(model(), samples(), ledger).refuted).toEqual([]);
  });
});
