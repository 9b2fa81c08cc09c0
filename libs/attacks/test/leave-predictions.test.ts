import { selectEngine } from '@percept/tensor';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttackedModel,
  argmax,
  forwardLogits,
  InvalidAttackError,
  leavePredictions,
  modelScorer,
  NonFiniteLogitsError,
  type PartialAttackPlan,
  resolveAttackPlan,
  runAttack,
} from '../src/index.js';
import { convolutionalClassifier, seededImages } from './support/toy-classifiers.js';

const count = 9;
const images = seededImages(3, count, [6, 6, 2]);
const sampleIds = Int32Array.from({ length: count }, (_, i) => 100 + i);
const budget = { epsilon: 0.02, batchSize: 4, seed: 5 };

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('leavePredictions', () => {
  const plans: (PartialAttackPlan & { readonly name: string })[] = [
    { name: 'pgd', kind: 'pgd', options: { ...budget, steps: 5, restarts: 2 } },
    { name: 'fab', kind: 'search', method: 'fab', options: { ...budget, steps: 5, targetClasses: 2 } },
    { name: 'square', kind: 'search', method: 'square', options: { ...budget, queries: 20 } },
    { name: 'square on scores', kind: 'search', method: 'square', options: { ...budget, queries: 20 } },
  ];

  it.each(plans)('gives by $name what an attack on the predictions as labels gives', async ({ name, ...plan }) => {
    const model = convolutionalClassifier(11);
    const scorer = modelScorer(model);
    const attacked: AttackedModel =
      name === 'square on scores' ? { kind: 'scores', scorer } : { kind: 'gradients', model };
    const logits = forwardLogits(model, images, count);
    const labels = Int32Array.from(sampleIds, (_, i) => argmax(logits, i * model.classes, model.classes));
    expect(new Set(labels).size).toBeGreaterThan(1);
    const resolved = resolveAttackPlan(plan);
    const result = await leavePredictions(attacked, resolved, images, sampleIds);
    expect(result).toEqual(await runAttack(attacked, resolved, images, { kind: 'untargeted', labels }, sampleIds));
    expect(result.predictionBefore).toEqual(labels);
    expect(result.success).toContain(1);
  });

  it('names what is wrong with the images before it asks the model', async () => {
    const never = modelScorer(convolutionalClassifier(11));
    const scorer = { ...never, scores: () => expect.unreachable('the model must not be asked') };
    const plan = resolveAttackPlan({ kind: 'search', method: 'square', options: budget });
    const wrong = images.map((value) => value + 1);
    const attack = leavePredictions({ kind: 'scores', scorer }, plan, wrong, sampleIds);
    await expect(attack).rejects.toThrow(InvalidAttackError);
  });

  it('refuses scores that are not finite', async () => {
    const scorer = {
      ...modelScorer(convolutionalClassifier(11)),
      scores: (_: Float32Array, rows: number) => new Float32Array(rows * 5).fill(Number.NaN),
    };
    const plan = resolveAttackPlan({ kind: 'search', method: 'square', options: budget });
    const attack = leavePredictions({ kind: 'scores', scorer }, plan, images, sampleIds);
    await expect(attack).rejects.toThrow(NonFiniteLogitsError);
  });
});
