import { klDivergence, softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import {
  attackParameters,
  betaParameter,
  clipParameter,
  flag,
  optimiserParameters,
  presets,
} from './common-parameters.js';
import { temperedLoss } from './distillation-loss.js';
import { innerAttack } from './inner-attack.js';
import type { RecipeParameter } from './parameter-schema.js';
import type { Recipe } from './recipe.js';
import { tradesLoss } from './trades-loss.js';
import { parameter, type TrainingStep } from './training-step.js';

const earlyStopping: RecipeParameter = flag(
  'early_stopping',
  'Stop when robust accuracy on a training batch falls by more than 0.2 within an epoch, and keep the epoch before',
);
const minimaxParameters = [...optimiserParameters, ...attackParameters, earlyStopping];
const eightBit = { epsilon: 8 / 255, attack_step: 2 / 255, attack_steps: 7, early_stopping: 0 };
const digits = { epsilon: 0.2, attack_step: 0.1, attack_steps: 3, early_stopping: 0 };

const crossEntropyAttack = (step: TrainingStep, steps?: number): Promise<tf.Tensor4D> =>
  innerAttack(step, (images) => softmaxCrossEntropy(step.model.logits(images), step.targets), steps);

const adversarialLoss: Recipe['objective'] = ({ model, targets }, adversarial) =>
  temperedLoss(model.logitsTraining(adversarial as tf.Tensor4D, 'update'), targets, 1);

/** FGSM training with a random start (Wong et al., 2020): Eq. 2.5 with one step. */
export const fgsmRecipe: Recipe = {
  name: 'fgsm',
  description: 'Adversarial training with one gradient step from a random start, with early stopping against collapse',
  reference: 'Eq. 2.5, Appendix E',
  needsTeacher: false,
  parameters: minimaxParameters,
  presets: presets({
    paper: {
      parameters: { ...eightBit, attack_steps: 1, attack_step: 10 / 255, early_stopping: 1 },
      note: 'Step 10/255 and early stopping, as in the work it cites',
    },
    'as-published': { parameters: { ...eightBit, attack_steps: 1 }, note: 'Step 2/255, no early stopping' },
    // At a peak rate of 0.2 the last epochs overfit to the single step on MNIST, and early stopping falls back to an unfinished model.
    quickstart: {
      parameters: { ...digits, learning_rate: 0.1, attack_steps: 1, attack_step: 0.25, early_stopping: 1 },
      epochs: 4,
    },
    'cifar10-lite': { parameters: { ...eightBit, attack_steps: 1, attack_step: 10 / 255, early_stopping: 1 } },
  }),
  prepare: (step) => crossEntropyAttack(step),
  objective: adversarialLoss,
};

/** Madry et al.'s adversarial training: Eq. 2.5 with projected gradient descent inside. */
export const pgdRecipe: Recipe = {
  name: 'pgd',
  description: 'Adversarial training on images attacked by projected gradient descent',
  reference: 'Eq. 2.5',
  needsTeacher: false,
  parameters: minimaxParameters,
  presets: presets({
    paper: { parameters: eightBit },
    'as-published': { parameters: eightBit },
    quickstart: { parameters: digits, epochs: 4 },
    'cifar10-lite': { parameters: eightBit },
  }),
  prepare: (step) => crossEntropyAttack(step),
  objective: adversarialLoss,
};

/** How the quickstart trains TRADES apart from the other recipes. */
interface QuickstartTrades {
  readonly epochs: number;
  readonly parameters: Readonly<Record<string, number>>;
}

function tradesRecipe(name: string, description: string, beta: number, quickstart: QuickstartTrades): Recipe {
  return {
    name,
    description,
    reference: 'Eq. 2.6',
    needsTeacher: false,
    parameters: [...minimaxParameters, betaParameter, clipParameter],
    presets: presets({
      paper: { parameters: { ...eightBit, beta, gradient_clip: 0 } },
      'as-published': { parameters: { ...eightBit, beta, gradient_clip: 0 } },
      quickstart: {
        parameters: { ...digits, ...quickstart.parameters, beta, gradient_clip: 5 },
        epochs: quickstart.epochs,
      },
      'cifar10-lite': { parameters: { ...eightBit, beta, gradient_clip: 5 } },
    }),
    prepare: async (step) => {
      const clean = tf.tidy(() => step.model.logits(step.images));
      try {
        return await innerAttack(step, (images) => klDivergence(clean, step.model.logits(images)));
      } finally {
        clean.dispose();
      }
    },
    objective: (step, adversarial) => {
      const { loss, kl } = tradesLoss(step.model, step.images, adversarial as tf.Tensor4D, step.targets);
      return tf.add(loss, tf.mul(kl, parameter(step, 'beta')));
    },
  };
}

/** TRADES (Zhang et al., 2019) with beta 6. */
export const tradesSixRecipe: Recipe = tradesRecipe(
  'trades',
  'TRADES: accuracy on clean images plus smoothness around them, beta 6',
  6,
  // At a higher rate, or with fewer and longer steps inside, some seeds give models that hide their gradients: nine of ten images withstand PGD at the training
  // budget, and one in five AutoAttack.
  { epochs: 4, parameters: { learning_rate: 0.05, attack_step: 0.08, attack_steps: 5 } },
);

/** TRADES with beta 10,000, which collapses to one class. */
export const tradesTenThousandRecipe: Recipe = tradesRecipe(
  'trades-10000',
  'TRADES with beta 10,000: smoothness alone, which collapses to one class',
  10_000,
  { epochs: 2, parameters: {} },
);
