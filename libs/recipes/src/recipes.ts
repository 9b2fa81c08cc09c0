import type { Recipe } from './recipe.js';
import { distilledRecipe, teacherRecipe } from './recipe-distillation.js';
import { fgsmRecipe, pgdRecipe, tradesSixRecipe, tradesTenThousandRecipe } from './recipe-minimax.js';
import { fimPenaltyRecipe, gradientPenaltyRecipe } from './recipe-penalised.js';
import { standardRecipe } from './recipe-standard.js';

/** Every recipe, in the order of the paper's figure 4.2; the distillation's teacher stands before its student. */
export const recipes: readonly Recipe[] = [
  standardRecipe,
  teacherRecipe,
  distilledRecipe,
  gradientPenaltyRecipe,
  fimPenaltyRecipe,
  fgsmRecipe,
  pgdRecipe,
  tradesSixRecipe,
  tradesTenThousandRecipe,
];

/** The recipe of this name, if there is one. */
export function findRecipe(name: string): Recipe | undefined {
  return recipes.find((recipe) => recipe.name === name);
}
