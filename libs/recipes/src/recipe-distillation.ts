import { optimiserParameters, presets } from './common-parameters.js';
import { softTargets, temperedLoss } from './distillation-loss.js';
import type { RecipeParameter } from './parameter-schema.js';
import type { Recipe } from './recipe.js';
import { parameter } from './training-step.js';

const temperature: RecipeParameter = {
  name: 'temperature',
  description: 'Softmax temperature of the loss',
  type: 'number',
  unit: '',
  minimum: 0,
  exclusiveMinimum: true,
  maximum: 1e6,
};
const teacherTemperature: RecipeParameter = {
  ...temperature,
  name: 'teacher_temperature',
  description: "Softmax temperature of the teacher's targets",
};

/** A temperature T makes every gradient T times smaller: the rate grows with it, the decay shrinks, and their product stays. */
const fewSteps = { learning_rate: 2, weight_decay: 2e-5 };
const fewStepsNote = "T = 10 at ten times the rate: at the paper's T = 100 so few steps hardly learn anything";

/** The teacher of a defensive distillation: standard training at a raised temperature (section 2.1.2). */
export const teacherRecipe: Recipe = {
  name: 'teacher',
  description: 'Standard training at a raised softmax temperature, the teacher of a defensive distillation',
  reference: 'Section 2.1.2',
  needsTeacher: false,
  parameters: [...optimiserParameters, temperature],
  presets: presets({
    paper: { parameters: { temperature: 100 } },
    'as-published': { parameters: { temperature: 100 } },
    quickstart: { parameters: { ...fewSteps, temperature: 10 }, note: fewStepsNote },
    'cifar10-lite': { parameters: { ...fewSteps, temperature: 10 }, note: fewStepsNote },
  }),
  objective: (step) =>
    temperedLoss(step.model.logitsTraining(step.images, 'update'), step.targets, parameter(step, 'temperature')),
};

/** Defensive distillation (Papernot et al., 2016): learn the softened predictions of a teacher (section 2.1.2). */
export const distilledRecipe: Recipe = {
  name: 'distilled',
  description: "Defensive distillation: cross-entropy against a teacher's softened predictions",
  reference: 'Section 2.1.2',
  needsTeacher: true,
  parameters: [...optimiserParameters, temperature, teacherTemperature],
  presets: presets({
    paper: { parameters: { temperature: 100, teacher_temperature: 100 }, note: 'Teacher and student at T = 100' },
    'as-published': {
      parameters: { temperature: 1, teacher_temperature: 100, learning_rate: 0.4 },
      note: 'The student trains at T = 1 and twice the rate',
    },
    quickstart: { parameters: { ...fewSteps, temperature: 10, teacher_temperature: 10 }, note: fewStepsNote },
    'cifar10-lite': { parameters: { ...fewSteps, temperature: 10, teacher_temperature: 10 }, note: fewStepsNote },
  }),
  objective: (step) => {
    const { model, images, teacher } = step;
    if (teacher === undefined) throw new RangeError('a distillation needs a teacher');
    const targets = softTargets(teacher.logits(images), parameter(step, 'teacher_temperature'));
    return temperedLoss(model.logitsTraining(images, 'update'), targets, parameter(step, 'temperature'));
  },
};
