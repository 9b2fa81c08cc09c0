import type { Classifier } from '@percept/models';
import { selectEngine } from '@percept/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttackedModel,
  distance,
  dualExponent,
  forwardLogits,
  type Goal,
  InvalidAttackError,
  modelScorer,
  NoGradientsError,
  norm,
  type SearchMethod,
  type SearchOptions,
  searchAttack,
  searchMethods,
} from '../src/index.js';
import { convolutionalClassifier, linearClassifier, seededImages, seededNumbers } from './support/toy-classifiers.js';

const shape = [6, 6, 2] as const;
const length = 72;
const count = 7;
const classes = 5;
const images = seededImages(3, count, shape);
const sampleIds = Int32Array.from({ length: count }, (_, i) => 100 + i);
const budgets = new Map([
  [1, 1.2],
  [2, 0.25],
  [Number.POSITIVE_INFINITY, 0.04],
]);
const cases = searchMethods.flatMap((method) => [...budgets].map(([p, epsilon]) => ({ method, p, epsilon })));

let model: Classifier;
let attacked: AttackedModel;
let labels: Int32Array;

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
  model = convolutionalClassifier(11);
  attacked = { kind: 'gradients', model };
  labels = predictionsOf(model, images, count);
});

function predictionsOf(of: Classifier, rows: Float32Array, batch: number): Int32Array {
  const logits = forwardLogits(of, rows, batch);
  return Int32Array.from({ length: batch }, (_, row) => {
    const values = Array.from(logits.subarray(row * of.classes, (row + 1) * of.classes));
    return values.indexOf(Math.max(...values));
  });
}

function optionsFor(p: number, epsilon: number): Partial<SearchOptions> {
  return { norm: p, epsilon, steps: 12, queries: 40, targetClasses: 3, batchSize: 4, seed: 5 };
}

const rowOf = (rows: Float32Array, i: number): Float32Array => rows.subarray(i * length, (i + 1) * length);

describe('searchAttack', () => {
  it.each(cases)(
    '$method stays within the budget and the box for p = $p, and its successes are misclassified',
    async ({ method, p, epsilon }) => {
      const goal: Goal = { kind: 'untargeted', labels };
      const result = await searchAttack(attacked, method, images, goal, sampleIds, optionsFor(p, epsilon));
      const predicted = predictionsOf(model, result.images, count);
      for (let i = 0; i < count; i++) {
        const row = rowOf(result.images, i);
        expect(distance(row, rowOf(images, i), p)).toBeLessThanOrEqual(epsilon);
        expect(row.every((value) => value >= 0 && value <= 1)).toBe(true);
        expect(result.success[i] === 1).toBe(predicted[i] !== labels[i]);
        expect(result.predictionAfter[i]).toBe(predicted[i]);
      }
      expect(result.success).toContain(1);
    },
  );

  it.each(cases)(
    '$method gives one image the same bits alone and in a batch for p = $p',
    async ({ method, p, epsilon }) => {
      const together = await searchAttack(
        attacked,
        method,
        images,
        { kind: 'untargeted', labels },
        sampleIds,
        optionsFor(p, epsilon),
      );
      for (const i of [0, 3, 6]) {
        const alone = await searchAttack(
          attacked,
          method,
          images.slice(i * length, (i + 1) * length),
          { kind: 'untargeted', labels: labels.slice(i, i + 1) },
          sampleIds.slice(i, i + 1),
          optionsFor(p, epsilon),
        );
        expect(alone.images).toEqual(rowOf(together.images, i).slice());
        expect(alone.queries[0]).toBe(together.queries[i]);
        expect(alone.keptAttack[0]).toBe(together.keptAttack[i]);
      }
    },
  );

  it('lets the ensemble break whatever one of its members breaks, and names the member', async () => {
    const goal: Goal = { kind: 'untargeted', labels };
    const options = optionsFor(2, 0.1);
    const ensemble = await searchAttack(attacked, 'autoattack', images, goal, sampleIds, options);
    const first = await searchAttack(attacked, 'apgd-ce', images, goal, sampleIds, options);
    for (let i = 0; i < count; i++) {
      expect(ensemble.success[i]).toBeGreaterThanOrEqual(first.success[i] as number);
      if (first.success[i] === 1) {
        expect(ensemble.keptAttack[i]).toBe('apgd-ce');
        expect(rowOf(ensemble.images, i)).toEqual(rowOf(first.images, i));
      }
    }
    expect(new Set(ensemble.success)).toEqual(new Set([0, 1]));
  });

  it.each(['apgd-ce', 'apgd-dlr', 'fab', 'square'] as const)('%s reaches a given target', async (method) => {
    const targets = labels.map((label) => (label + 1) % classes);
    const goal: Goal = { kind: 'targeted', targets };
    const options = { ...optionsFor(Number.POSITIVE_INFINITY, 0.6), queries: 400, steps: 30 };
    const result = await searchAttack(attacked, method, images, goal, sampleIds, options);
    expect(result.success).toContain(1);
    for (let i = 0; i < count; i++) {
      expect(result.success[i] === 1).toBe(result.predictionAfter[i] === targets[i]);
    }
  });

  it('leaves an image alone that is misclassified as it is, and spends nothing on it', async () => {
    const wrong = labels.map((label) => (label + 1) % classes);
    const goal: Goal = { kind: 'untargeted', labels: wrong };
    const result = await searchAttack(attacked, 'autoattack', images, goal, sampleIds, optionsFor(2, 0.25));
    expect(result.images).toEqual(images);
    expect(Array.from(result.queries)).toEqual(new Array(count).fill(0));
    expect(result.cost.gradientImageSteps).toBe(0);
  });

  it('needs no gradients for square, and says so where an attack needs them', async () => {
    const goal: Goal = { kind: 'untargeted', labels };
    const options = optionsFor(Number.POSITIVE_INFINITY, 0.04);
    const scored: AttackedModel = { kind: 'scores', scorer: modelScorer(model) };
    const near = await searchAttack(attacked, 'square', images, goal, sampleIds, options);
    const far = await searchAttack(scored, 'square', images, goal, sampleIds, options);
    expect(far.images).toEqual(near.images);
    await expect(searchAttack(scored, 'apgd-ce', images, goal, sampleIds, options)).rejects.toThrow(NoGradientsError);
  });
});

describe('searchAttack on a linear classifier, whose nearest boundary is known', () => {
  const weights = seededNumbers(21, length * 3);
  const start = new Float32Array(length).fill(0.5);
  const differenceTo = (label: number, k: number): Float64Array =>
    Float64Array.from({ length }, (_, i) => (weights[i * 3 + k] as number) - (weights[i * 3 + label] as number));

  /** Distance to the nearest boundary: min over classes of margin / dual norm of the difference of weights (the box is far away). */
  function nearest(linear: Classifier, p: number): { label: number; reach: number } {
    const logits = forwardLogits(linear, start, 1);
    const label = logits.indexOf(Math.max(...logits));
    const reaches = [0, 1, 2]
      .filter((k) => k !== label)
      .map((k) => ((logits[label] as number) - (logits[k] as number)) / norm(differenceTo(label, k), dualExponent(p)));
    return { label, reach: Math.min(...reaches) };
  }

  const linearCases = (['apgd-ce', 'apgd-t', 'fab'] as const).flatMap((method) =>
    [2, 3, Number.POSITIVE_INFINITY].map((p) => ({ method, p })),
  );

  it.each(linearCases)('$method crosses it just beyond and not before for p = $p', async ({ method, p }) => {
    const linear = linearClassifier(weights, shape, 3);
    const { label, reach } = nearest(linear, p);
    expect(reach).toBeGreaterThan(0);
    expect(reach).toBeLessThan(0.5);
    const attack = (factor: number) =>
      searchAttack(
        { kind: 'gradients', model: linear },
        method,
        start,
        { kind: 'untargeted', labels: Int32Array.of(label) },
        Int32Array.of(1),
        { norm: p, epsilon: factor * reach, steps: 60, targetClasses: 2 },
      );
    expect((await attack(1.08)).success[0]).toBe(1);
    expect((await attack(0.99)).success[0]).toBe(0);
  });

  it.each([1, 2, 3, Number.POSITIVE_INFINITY])(
    'fab without a budget comes within 6 % of the nearest point for p = %s',
    async (p) => {
      const linear = linearClassifier(weights, shape, 3);
      const { label, reach } = nearest(linear, p);
      const result = await searchAttack(
        { kind: 'gradients', model: linear },
        'fab',
        start,
        { kind: 'untargeted', labels: Int32Array.of(label) },
        Int32Array.of(1),
        { norm: p, epsilon: Number.POSITIVE_INFINITY, stop: 'all-steps', targetClasses: 2 },
      );
      expect(result.success[0]).toBe(1);
      expect(result.distances.norm[0]).toBeGreaterThanOrEqual(reach * (1 - 1e-4));
      expect(result.distances.norm[0]).toBeLessThan(reach * 1.06);
    },
  );
});

describe('the validation of searchAttack', () => {
  const refusals: [string, SearchMethod, Partial<SearchOptions>, string][] = [
    ['a norm below 1', 'apgd-ce', { norm: 0.5 }, 'options.norm'],
    ['a norm that square does not know', 'square', { norm: 3 }, 'options.norm'],
    ['a norm that the ensemble does not know', 'autoattack', { norm: 1.5 }, 'options.norm'],
    ['an infinite budget for apgd', 'apgd-t', { epsilon: Number.POSITIVE_INFINITY }, 'options.epsilon'],
    ['restarts without a budget', 'fab', { epsilon: Number.POSITIVE_INFINITY, restarts: 2 }, 'options.epsilon'],
    ['no queries', 'square', { queries: 0 }, 'options.queries'],
    ['a momentum of 0', 'apgd-ce', { momentum: 0 }, 'options.momentum'],
    ['a rho above 1', 'apgd-ce', { rho: 1.1 }, 'options.rho'],
    ['no target classes', 'fab', { targetClasses: 0 }, 'options.targetClasses'],
  ];

  it.each(refusals)('refuses %s', async (_, method, options, field) => {
    const goal: Goal = { kind: 'untargeted', labels };
    await expect(searchAttack(attacked, method, images, goal, sampleIds, options)).rejects.toSatisfy(
      (error) => error instanceof InvalidAttackError && error.violations.some((one) => one.field === field),
    );
  });

  it.each(['apgd-t', 'autoattack'] as const)('refuses a target for %s, which chooses its own', async (method) => {
    const goal: Goal = { kind: 'targeted', targets: labels };
    await expect(searchAttack(attacked, method, images, goal, sampleIds)).rejects.toThrow(/chooses its targets itself/);
  });
});
