import type { AttackHooks } from './attack-hooks.js';
import type { AttackPlan } from './attack-plan.js';
import type { AttackResult } from './attack-result.js';
import type { Goal } from './goal.js';
import { pgd } from './pgd.js';
import { searchAttack } from './search-attack.js';
import { type AttackedModel, NoGradientsError } from './search-run.js';

/** Carries out a plan. Inputs, result and errors as `pgd`'s and `searchAttack`'s. */
export async function runAttack(
  attacked: AttackedModel,
  plan: AttackPlan,
  images: Float32Array,
  goal: Goal,
  sampleIds: Int32Array,
  hooks: AttackHooks = {},
): Promise<AttackResult> {
  if (plan.kind === 'search') {
    return await searchAttack(attacked, plan.method, images, goal, sampleIds, plan.options, hooks);
  }
  if (attacked.kind === 'scores') throw new NoGradientsError();
  return await pgd(attacked.model, images, goal, sampleIds, plan.options, hooks);
}
