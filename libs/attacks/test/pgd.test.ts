import { selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttackResult,
  distance,
  forwardLogits,
  type Goal,
  InvalidAttackError,
  type PgdOptions,
  pgd,
  resolvePgdOptions,
  validateAttack,
} from '../src/index.js';
import {
  affineClassifier,
  convolutionalClassifier,
  linearClassifier,
  seededImages,
} from './support/toy-classifiers.js';

const shape = [6, 6, 2] as const;
const length = 72;
const count = 9;
const images = seededImages(3, count, shape);
const sampleIds = Int32Array.from({ length: count }, (_, i) => 100 + i);

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

function predictions(logits: Float32Array, classes: number): Int32Array {
  return Int32Array.from({ length: logits.length / classes }, (_, row) => {
    const values = Array.from(logits.subarray(row * classes, (row + 1) * classes));
    return values.indexOf(Math.max(...values));
  });
}

function rowOf(result: AttackResult, index: number): number[] {
  return Array.from(result.images.subarray(index * length, (index + 1) * length));
}

const model = (): ReturnType<typeof convolutionalClassifier> => convolutionalClassifier(11);

async function cleanGoal(): Promise<Goal> {
  return { kind: 'untargeted', labels: predictions(forwardLogits(model(), images, count), 5) };
}

const normCases: { norm: number; epsilon: number }[] = [
  { norm: 1, epsilon: 2 },
  { norm: 1.5, epsilon: 0.8 },
  { norm: 2, epsilon: 0.5 },
  { norm: 3, epsilon: 0.3 },
  { norm: Number.POSITIVE_INFINITY, epsilon: 0.1 },
];

describe('pgd', () => {
  it.each(normCases)(
    'raises the loss and stays within the budget and the box for p = $norm',
    async ({ norm, epsilon }) => {
      const goal = await cleanGoal();
      for (const projection of ['exact', 'sequential'] as const) {
        const result = await pgd(model(), images, goal, sampleIds, {
          norm,
          epsilon,
          projection,
          step: { kind: 'relative', size: 0.25 },
          steps: 12,
          stop: 'all-steps',
          keep: 'last',
        });
        for (let i = 0; i < count; i++) {
          const row = result.images.subarray(i * length, (i + 1) * length);
          expect(distance(row, images.subarray(i * length, (i + 1) * length), norm)).toBeLessThanOrEqual(epsilon);
          expect(row.every((value) => value >= 0 && value <= 1)).toBe(true);
          expect(result.lossAfter[i]).toBeGreaterThan(result.lossBefore[i] as number);
        }
      }
    },
  );

  it.each(normCases)(
    'gives one image the same bits alone, in a batch and in another order for p = $norm',
    async ({ norm, epsilon }) => {
      const goal = await cleanGoal();
      const labels = goal.kind === 'untargeted' ? goal.labels : new Int32Array();
      const options: Partial<PgdOptions> = {
        norm,
        epsilon,
        steps: 6,
        restarts: 3,
        step: { kind: 'relative', size: 0.3 },
        batchSize: 4,
      };
      const together = await pgd(model(), images, goal, sampleIds, options);
      expect(new Set(together.success).size).toBeGreaterThan(0);
      const order = [4, 1, 8, 0, 3, 7, 2, 6, 5];
      const shuffled = Float32Array.from(
        order.flatMap((i) => Array.from(images.subarray(i * length, (i + 1) * length))),
      );
      const permuted = await pgd(
        model(),
        shuffled,
        { kind: 'untargeted', labels: Int32Array.from(order, (i) => labels[i] as number) },
        Int32Array.from(order, (i) => sampleIds[i] as number),
        options,
      );
      for (let i = 0; i < count; i++) {
        const alone = await pgd(
          model(),
          images.slice(i * length, (i + 1) * length),
          { kind: 'untargeted', labels: labels.slice(i, i + 1) },
          sampleIds.slice(i, i + 1),
          options,
        );
        expect(rowOf(alone, 0)).toEqual(rowOf(together, i));
        expect(rowOf(permuted, order.indexOf(i))).toEqual(rowOf(together, i));
        expect(alone.lossAfter[0]).toBe(together.lossAfter[i]);
        expect(alone.gradientSteps[0]).toBe(together.gradientSteps[i]);
      }
    },
  );

  it('reports success, predictions and distances that an independent forward pass confirms', async () => {
    const goal = await cleanGoal();
    const labels = goal.kind === 'untargeted' ? goal.labels : new Int32Array();
    const result = await pgd(model(), images, goal, sampleIds, { epsilon: 0.15, steps: 10 });
    const after = predictions(forwardLogits(model(), result.images, count), 5);
    expect(Array.from(result.predictionAfter)).toEqual(Array.from(after));
    expect(Array.from(result.success)).toEqual(Array.from(after, (k, i) => Number(k !== labels[i])));
    expect(Array.from(result.success)).toContain(1);
    expect(result.distances.norm).toEqual(result.distances.linf);
  });

  it.each([
    { norm: 1, size: 1 },
    { norm: 1.5, size: 0.3 },
    { norm: 2, size: 0.2 },
    { norm: Number.POSITIVE_INFINITY, size: 0.02 },
  ])(
    'reaches a different target for every image when the budget is infinite, for p = $norm',
    async ({ norm, size }) => {
      const targets = Int32Array.from({ length: count }, (_, i) => i % 5);
      const result = await pgd(model(), images, { kind: 'targeted', targets }, sampleIds, {
        norm,
        epsilon: Number.POSITIVE_INFINITY,
        steps: 60,
        step: { kind: 'absolute', size },
        stop: 'all-steps',
      });
      expect(Array.from(result.predictionAfter)).toEqual(Array.from(targets));
      expect(result.images.every((value) => value >= 0 && value <= 1)).toBe(true);
    },
  );

  it('leaves the image alone when the budget is 0, and still counts clean errors as successes', async () => {
    const goal = await cleanGoal();
    const labels =
      goal.kind === 'untargeted'
        ? goal.labels.map((label, i) => (i === 2 ? (label + 1) % 5 : label))
        : new Int32Array();
    const result = await pgd(model(), images, { kind: 'untargeted', labels }, sampleIds, { epsilon: 0, restarts: 4 });
    expect(result.images).toEqual(images);
    expect(Array.from(result.success)).toEqual(Array.from({ length: count }, (_, i) => Number(i === 2)));
    expect(result.cost.gradientImageSteps).toBe(0);
  });

  it('keeps a success of lower loss over a failure of higher loss', async () => {
    // Along x from 0 to 1 the loss of class 0 rises all the way, yet only x < 2/3 is misclassified.
    const model = affineClassifier([0, -0.15, 1.95], [0, 0.1, -2]);
    const clean = new Float32Array([1]);
    const result = await pgd(model, clean, { kind: 'untargeted', labels: Int32Array.of(0) }, Int32Array.of(0), {
      epsilon: 1,
      start: 'given',
      startImages: new Float32Array([0]),
      steps: 2,
      step: { kind: 'absolute', size: 0.5 },
      stop: 'all-steps',
    });
    expect(result.lossAfter[0]).toBeLessThan(result.lossBefore[0] as number);
    expect(Array.from(result.success)).toEqual([1]);
    expect(Array.from(result.images)).toEqual([0.5]);
  });

  it('counts a zero gradient and ends the restart there instead of repeating it', async () => {
    const flat = linearClassifier(new Float32Array(2 * 3), [1, 2, 1], 3);
    const result = await pgd(
      flat,
      new Float32Array([0.2, 0.7]),
      { kind: 'untargeted', labels: Int32Array.of(0) },
      Int32Array.of(5),
      {
        epsilon: 0.1,
        steps: 20,
        restarts: 3,
      },
    );
    expect(Array.from(result.zeroGradientSteps)).toEqual([3]);
    expect(Array.from(result.gradientSteps)).toEqual([3]);
    expect(Array.from(result.success)).toEqual([0]);
  });

  it('follows the exact cross-entropy direction where a float32 softmax has saturated', async () => {
    const weights = new Float32Array([4000, 0, 0, 0, 0, 0]);
    const saturated = linearClassifier(weights, [1, 2, 1], 3);
    const result = await pgd(
      saturated,
      new Float32Array([0.5, 0.5]),
      { kind: 'untargeted', labels: Int32Array.of(0) },
      Int32Array.of(0),
      {
        epsilon: 0.25,
        start: 'origin',
        steps: 1,
        step: { kind: 'absolute', size: 0.25 },
        stop: 'all-steps',
        keep: 'last',
      },
    );
    expect(Array.from(result.zeroGradientSteps)).toEqual([0]);
    expect(result.images[0]).toBe(0.25);
  });

  it('does not begin another restart for an image already broken, nor any gradient step for one that is wrong as it is', async () => {
    const goal = await cleanGoal();
    const result = await pgd(model(), images, goal, sampleIds, { epsilon: 0.15, steps: 5, restarts: 6 });
    for (let i = 0; i < count; i++) {
      if (result.success[i] === 1) expect(result.restartsUsed[i]).toBe((result.keptRestart[i] as number) + 1);
      else expect(result.restartsUsed[i]).toBe(6);
    }
    const total = result.gradientSteps.reduce((sum, steps) => sum + steps, 0);
    expect(result.cost.gradientImageSteps).toBe(total);
  });

  it('records the iterate after every k steps', async () => {
    const goal = await cleanGoal();
    const seen: string[] = [];
    const common: Partial<PgdOptions> = {
      epsilon: 0.1,
      start: 'origin',
      stop: 'all-steps',
      keep: 'last',
      step: { kind: 'absolute', size: 0.01 },
    };
    const result = await pgd(
      model(),
      images,
      goal,
      sampleIds,
      { ...common, steps: 6, snapshotsEvery: 2 },
      {
        onSnapshot: (index, step) => {
          seen.push(`${index}@${step}`);
        },
      },
    );
    expect(result.snapshots.map((snapshot) => snapshot.step)).toEqual([2, 4, 6]);
    for (const { step, images: rows } of result.snapshots) {
      const shorter = await pgd(model(), images, goal, sampleIds, { ...common, steps: step });
      expect(rows).toEqual(shorter.images);
    }
    expect(new Set(seen).size).toBe(count * 3);
  });

  it.each([
    [256, []],
    [257, ['options.snapshotsEvery']],
  ])('with %d snapshots of 2^18 values violates %j', (steps, fields) => {
    const violations = validateAttack({
      inputShape: [512, 512, 1],
      classes: 3,
      images: new Float32Array(2 ** 18),
      goal: { kind: 'untargeted', labels: Int32Array.of(1) },
      sampleIds: Int32Array.of(0),
      options: resolvePgdOptions({ steps, snapshotsEvery: 1 }),
    });
    expect(violations.map(({ field }) => field)).toEqual(fields);
  });

  it('stops at the step where it is cancelled and rejects with the reason', async () => {
    const goal = await cleanGoal();
    const controller = new AbortController();
    const reason = new Error('cancelled by the caller');
    let steps = 0;
    const running = pgd(
      model(),
      images,
      goal,
      sampleIds,
      { epsilon: 0.001, steps: 1000, stop: 'all-steps', step: { kind: 'absolute', size: 1e-5 } },
      {
        signal: controller.signal,
        onStep: () => {
          if (++steps === 3) setImmediate(() => controller.abort(reason));
        },
      },
    );
    await expect(running).rejects.toBe(reason);
    expect(steps).toBeLessThanOrEqual(5);
  });

  it('does not change its inputs and leaves no tensor behind', async () => {
    const goal = await cleanGoal();
    const copy = images.slice();
    const classifier = model();
    const before = tf.memory().numTensors;
    await pgd(classifier, images, goal, sampleIds, { epsilon: 0.1, steps: 3 });
    expect(tf.memory().numTensors).toBe(before);
    expect(images).toEqual(copy);
  });

  it('names every violation at once', async () => {
    const bad = images.slice();
    bad[7] = 1.5;
    const error = await pgd(
      model(),
      bad,
      { kind: 'targeted', targets: Int32Array.from({ length: count }, (_, i) => (i === 4 ? 5 : 0)) },
      sampleIds,
      {
        norm: 0.5,
        epsilon: Number.NaN,
        step: { kind: 'absolute', size: 0 },
        steps: 0,
        restarts: 2000,
      },
    ).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidAttackError);
    const fields = (error as InvalidAttackError).violations.map((violation) => violation.field);
    expect(fields.sort()).toEqual([
      'images',
      'options.epsilon',
      'options.norm',
      'options.restarts',
      'options.step.size',
      'options.steps',
      'targets[4]',
    ]);
  });
});
