import { optimiserParameters, presets } from './common-parameters.js';
import { temperedLoss } from './distillation-loss.js';
import type { Recipe } from './recipe.js';

/** Standard training: minimise the expected cross-entropy (Eq. 2.4). */
export const standardRecipe: Recipe = {
  name: 'standard',
  description: 'Standard training on unperturbed images',
  reference: 'Eq. 2.4',
  needsTeacher: false,
  parameters: optimiserParameters,
  presets: presets({ paper: {}, 'as-published': {}, quickstart: {}, 'cifar10-lite': {} }),
  objective: ({ model, images, targets }) => temperedLoss(model.logitsTraining(images, 'update'), targets, 1),
};
