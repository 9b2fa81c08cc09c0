import type { AttackHooks } from './attack-hooks.js';
import { type AttackPlan, validatePlan } from './attack-plan.js';
import type { AttackResult } from './attack-result.js';
import { splitRows } from './image-rows.js';
import { argmax } from './losses.js';
import { runAttack } from './run-attack.js';
import { scoreInBatches } from './score-in-batches.js';
import { type AttackedModel, scorerOf } from './search-run.js';
import { InvalidAttackError } from './violations.js';

/**
 * Carries out an untargeted plan that must leave, for each image, the class which the model itself predicts for it.
 *
 * The result is that of `runAttack` with these predictions as labels, its cost included: the pass that finds them is also the attack's
 * look at the clean images. Inputs and errors as `runAttack`'s.
 */
export async function leavePredictions(
  attacked: AttackedModel,
  plan: AttackPlan,
  images: Float32Array,
  sampleIds: Int32Array,
  hooks: Omit<AttackHooks, 'cleanLogits'> = {},
): Promise<AttackResult> {
  const scorer = scorerOf(attacked);
  const count = sampleIds.length;
  const { inputShape, classes } = scorer;
  const asked = { kind: 'leave-predictions' } as const;
  const violations = validatePlan(plan, { inputShape, classes, images, goal: asked, sampleIds });
  if (violations.length > 0) throw new InvalidAttackError(violations);
  const cleanLogits = new Float32Array(count * classes);
  await scoreInBatches(scorer, splitRows(images, count), plan.options.batchSize, hooks.signal, (logits, first) =>
    cleanLogits.set(logits, first * classes),
  );
  const labels = Int32Array.from(sampleIds, (_, i) => argmax(cleanLogits, i * classes, classes));
  const goal = { kind: 'untargeted', labels } as const;
  const result = await runAttack(attacked, plan, images, goal, sampleIds, { ...hooks, cleanLogits });
  const forwardImagePasses = result.cost.forwardImagePasses + count;
  return { ...result, cost: { ...result.cost, forwardImagePasses } };
}
