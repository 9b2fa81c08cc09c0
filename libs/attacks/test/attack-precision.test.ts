import type { Classifier } from '@percept/models';
import { selectEngine } from '@percept/tensor';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type AttackedModel,
  forwardLogits,
  InvalidAttackError,
  judge,
  modelScorer,
  type PartialAttackPlan,
  resolveAttackPlan,
  runAttack,
  validatePlanOptions,
} from '../src/index.js';
import { affineClassifier, convolutionalClassifier, seededImages } from './support/toy-classifiers.js';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

/** A classifier that is another one in bfloat16, much further off than rounding would take it. */
function disagreeing(fine: Classifier, coarse: Classifier): AttackedModel {
  return {
    kind: 'gradients',
    model: { ...fine, withPrecision: (precision) => (precision === 'bfloat16' ? coarse : fine) },
  };
}

/** Class 1 wins above 0.9 in float32, and already above 0.6 in bfloat16. */
const hasty = (): AttackedModel =>
  disagreeing(affineClassifier([0, 1], [0, -0.9]), affineClassifier([0, 1], [0, -0.6]));

const grey = Float32Array.of(0.5);
const away = { kind: 'untargeted', labels: Int32Array.of(0) } as const;
const ids = Int32Array.of(0);

const climb = { precision: 'bfloat16', start: 'origin', steps: 20, step: { kind: 'absolute', size: 0.05 } } as const;
const climbing = (epsilon: number): PartialAttackPlan => ({ kind: 'pgd', options: { ...climb, epsilon } });
const searching = (method: 'apgd-ce' | 'fab' | 'square', epsilon: number): PartialAttackPlan => ({
  kind: 'search',
  method,
  options: { precision: 'bfloat16', epsilon, steps: 20, queries: 40 },
});

describe('an attack in bfloat16', () => {
  it.each([climbing(0.3), searching('apgd-ce', 0.3), searching('fab', 0.3), searching('square', 0.3)])(
    'does not succeed by what float32 does not confirm: %o',
    async (plan) => {
      const result = await runAttack(hasty(), resolveAttackPlan(plan), grey, away, ids);
      expect(result.precision).toBe('bfloat16');
      expect([...result.success]).toEqual([0]);
      expect(result.unconfirmedSuccesses[0]).toBeGreaterThan(0);
      expect(result.marginAfter[0]).toBeLessThan(0);
    },
  );

  it('goes on after an unconfirmed success until float32 confirms one', async () => {
    const result = await runAttack(hasty(), resolveAttackPlan(climbing(0.45)), grey, away, ids);
    expect([...result.success]).toEqual([1]);
    expect(result.unconfirmedSuccesses[0]).toBeGreaterThan(0);
    expect(result.images[0]).toBeGreaterThan(0.9);
  });

  it('counts no unconfirmed success in float32', async () => {
    const plan = resolveAttackPlan({ kind: 'pgd', options: { ...climb, precision: 'float32', epsilon: 0.3 } });
    const result = await runAttack(hasty(), plan, grey, away, ids);
    expect([result.precision, ...result.unconfirmedSuccesses]).toEqual(['float32', 0]);
  });

  it('reports what float32 says of every image, whichever attack and however far apart the precisions are', async () => {
    const shape = [4, 4, 1] as const;
    const [fine, other] = [convolutionalClassifier(1, shape, 4), convolutionalClassifier(2, shape, 4)];
    const plans: PartialAttackPlan[] = [
      { kind: 'pgd', options: { steps: 4 } },
      { kind: 'pgd', options: { steps: 4, stop: 'all-steps', keep: 'last', restarts: 2 } },
      ...(['apgd-ce', 'apgd-t', 'fab', 'square', 'autoattack'] as const).map(
        (method) => ({ kind: 'search', method, options: { steps: 4, queries: 8, targetClasses: 2 } }) as const,
      ),
    ];
    const cases = fc.record({
      plan: fc.constantFrom(...plans),
      seed: fc.nat(1000),
      epsilon: fc.constantFrom(0.02, 0.1, 0.4),
      label: fc.nat(3),
    });
    let unconfirmed = 0;
    await fc.assert(
      fc.asyncProperty(cases, async ({ plan, seed, epsilon, label }) => {
        const asked = { ...plan, options: { ...plan.options, precision: 'bfloat16', epsilon } } as PartialAttackPlan;
        const resolved = resolveAttackPlan(asked);
        const images = seededImages(seed, 3, shape);
        const goal = { kind: 'untargeted', labels: new Int32Array(3).fill(label) } as const;
        const result = await runAttack(disagreeing(fine, other), resolved, images, goal, Int32Array.of(0, 1, 2));
        const logits = forwardLogits(fine, result.images, 3);
        for (let i = 0; i < 3; i++) {
          const aim = {
            kind: 'untargeted',
            goalClass: label,
            cleanClass: result.predictionBefore[i] as number,
          } as const;
          const said = judge(logits, i * 4, 4, aim, 'margin');
          expect(result.success[i]).toBe(Number(said.margin > 0));
          expect(result.marginAfter[i]).toBe(said.margin);
          expect(result.predictionAfter[i]).toBe(said.prediction);
          expect(result.confidenceAfter[i]).toBe(said.confidence);
        }
        unconfirmed += result.unconfirmedSuccesses.reduce((sum, count) => sum + count, 0);
      }),
      { numRuns: 60, seed: 5 },
    );
    expect(unconfirmed).toBeGreaterThan(0);
  });

  it.each([
    ['computes in one precision only', (model: Classifier): AttackedModel => ({ kind: 'gradients', model })],
    ['only scores', (model: Classifier): AttackedModel => ({ kind: 'scores', scorer: modelScorer(model) })],
  ] as const)('is refused by a model that %s, naming the option', async (_, attacked) => {
    const model = attacked(affineClassifier([0, 1], [0, -0.9]));
    const refusal = runAttack(model, resolveAttackPlan(searching('square', 0.3)), grey, away, ids);
    await expect(refusal).rejects.toThrow(InvalidAttackError);
    await expect(refusal).rejects.toThrow(/options\.precision.*cannot be computed in bfloat16/);
  });

  it.each([
    { kind: 'pgd', options: { precision: 'float16' } },
    { kind: 'search', method: 'fab', options: { precision: 'float16' } },
  ])('knows no other precision than its two: %o', (plan) => {
    const resolved = resolveAttackPlan(plan as unknown as PartialAttackPlan);
    const fields = validatePlanOptions(resolved, 'untargeted', 10).map(({ field }) => field);
    expect(fields).toEqual(['options.precision']);
  });
});
