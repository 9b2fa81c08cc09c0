import { unitSphereVector } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import {
  betaParameter,
  clipParameter,
  epsilonParameter,
  flag,
  optimiserParameters,
  presets,
} from './common-parameters.js';
import { fimPenalisedLoss, publishedFimPenalty } from './fim-penalty.js';
import { gradientPenalty, type PenalisedLoss } from './gradient-penalty.js';
import type { Recipe } from './recipe.js';
import { parameter, type TrainingStep } from './training-step.js';

const asPublished = flag(
  'as_published',
  "Compute the penalty as the published code does instead of the paper's formula",
);
const parameters = [...optimiserParameters, epsilonParameter, betaParameter, asPublished];

const penalised = (step: TrainingStep, { loss, penalty }: PenalisedLoss): tf.Scalar =>
  tf.add(loss, tf.mul(penalty, parameter(step, 'beta')));

/** The input-gradient penalty of Eq. 3.1 with q = 1, by double backpropagation. */
export const gradientPenaltyRecipe: Recipe = {
  name: 'gradient-penalty',
  description: "Penalises the l_1 norm of the loss's input gradient",
  reference: 'Eq. 3.1',
  needsTeacher: false,
  parameters: [...parameters, clipParameter],
  presets: presets({
    paper: {
      parameters: { epsilon: 8 / 255, beta: 64, as_published: 0, gradient_clip: 0 },
      note: 'Per sample, coefficient beta epsilon: 128 times what the published code trains',
    },
    'as-published': {
      parameters: { epsilon: 8 / 255, beta: 64, as_published: 1, gradient_clip: 0 },
      note: 'From the gradient of the batch-mean loss, which divides the coefficient by the batch size',
    },
    quickstart: {
      parameters: { epsilon: 0.2, beta: 0.2, as_published: 0, gradient_clip: 5 },
      epochs: 3,
      note: 'beta 0.2: larger weights cost clean accuracy and bring no robustness in so few steps',
    },
    'cifar10-lite': { parameters: { epsilon: 8 / 255, beta: 1, as_published: 0, gradient_clip: 5 } },
  }),
  objective: (step) => {
    const reduction = parameter(step, 'as_published') === 1 ? 'batch-mean' : 'per-sample';
    return penalised(
      step,
      gradientPenalty(step.model, step.images, step.targets, parameter(step, 'epsilon'), 1, reduction),
    );
  },
};

/** The Fisher information penalty of Eq. 3.6, estimated along one random direction per sample (Appendix D). */
export const fimPenaltyRecipe: Recipe = {
  name: 'fim-penalty',
  description: 'Penalises the Frobenius norm of the Fisher-weighted Jacobian',
  reference: 'Eq. 3.6, Appendix D',
  needsTeacher: false,
  parameters: [...parameters, clipParameter],
  presets: presets({
    paper: { parameters: { epsilon: 8 / 255, beta: 1, as_published: 0, gradient_clip: 0 } },
    'as-published': {
      parameters: { epsilon: 8 / 255, beta: 1, as_published: 1, gradient_clip: 0 },
      note: 'First logit only, weight 1/f: far stronger than Eq. 3.6, and unstable',
    },
    quickstart: {
      parameters: { epsilon: 0.2, beta: 10, as_published: 0, gradient_clip: 5 },
      epochs: 3,
      note: 'beta 10: with the corrected formula the weight 1 hardly changes a standard model',
    },
    'cifar10-lite': { parameters: { epsilon: 8 / 255, beta: 10, as_published: 0, gradient_clip: 5 } },
  }),
  objective: (step) => {
    const { model, images, targets } = step;
    const epsilon = parameter(step, 'epsilon');
    if (parameter(step, 'as_published') === 1)
      return penalised(step, publishedFimPenalty(model, images, targets, epsilon));
    return penalised(step, fimPenalisedLoss(model, images, targets, directions(step), epsilon));
  },
};

/** One direction per sample, uniform on the unit sphere of the classes. */
function directions({ seed, sampleIds, step, targets }: TrainingStep): tf.Tensor2D {
  const [batch, classes] = targets.shape;
  const values = new Float32Array(batch * classes);
  for (let i = 0; i < batch; i++) {
    const key = { seed, purpose: 'fim direction', sample: sampleIds[i] as number, step };
    values.set(unitSphereVector(key, classes), i * classes);
  }
  return tf.tensor2d(values, [batch, classes]);
}
