import type { RecipeParameter } from './parameter-schema.js';
import type { Preset, PresetName } from './recipe.js';

const number = (
  name: string,
  description: string,
  unit: string,
  minimum: number,
  maximum: number,
): RecipeParameter => ({
  name,
  description,
  type: 'number',
  unit,
  minimum,
  maximum,
});

/** A switch, 0 or 1. */
export function flag(name: string, description: string): RecipeParameter {
  return { name, description, type: 'boolean', unit: '', minimum: 0, maximum: 1 };
}

/** The optimiser and its schedule, which every recipe has. */
export const optimiserParameters: readonly RecipeParameter[] = [
  {
    ...number('learning_rate', 'Highest learning rate of the triangular schedule', '', 0, 100),
    exclusiveMinimum: true,
  },
  number('peak_fraction', 'Where in the training the rate is highest', 'fraction of all steps', 0, 1),
  number('momentum', 'Momentum of SGD', '', 0, 0.999),
  number('momentum_at_peak', 'Momentum where the rate is highest; equal to `momentum` unless it cycles', '', 0, 0.999),
  number('weight_decay', 'L2 weight decay on every parameter', '', 0, 1),
];

/** The threat that a recipe trains against. */
export const epsilonParameter: RecipeParameter = number(
  'epsilon',
  'Training budget in the l_inf norm',
  'pixel units of [0, 1]',
  0,
  1,
);

/** The inner attack of a minimax recipe. */
export const attackParameters: readonly RecipeParameter[] = [
  epsilonParameter,
  { ...number('attack_step', 'Step of the inner attack', 'pixel units of [0, 1]', 0, 1), exclusiveMinimum: true },
  {
    name: 'attack_steps',
    description: 'Steps of the inner attack',
    type: 'integer',
    unit: 'steps',
    minimum: 1,
    maximum: 1000,
  },
];

/** The weight of a regularisation term. */
export const betaParameter: RecipeParameter = number('beta', 'Weight of the regularisation term', '', 0, 1e9);

const optimiser = {
  paper: { learning_rate: 0.2, peak_fraction: 7 / 15, momentum: 0.9, momentum_at_peak: 0.9, weight_decay: 2e-4 },
  'as-published': {
    learning_rate: 0.2,
    peak_fraction: 7 / 15,
    momentum: 0.9,
    momentum_at_peak: 0.8,
    weight_decay: 5e-4,
  },
  quickstart: { learning_rate: 0.2, peak_fraction: 0.4, momentum: 0.9, momentum_at_peak: 0.9, weight_decay: 2e-4 },
  'cifar10-lite': { learning_rate: 0.2, peak_fraction: 0.4, momentum: 0.9, momentum_at_peak: 0.9, weight_decay: 2e-4 },
} as const;

const lengths = {
  paper: { epochs: 15, batchSize: 128 },
  'as-published': { epochs: 15, batchSize: 128 },
  quickstart: { epochs: 5, batchSize: 50 },
  'cifar10-lite': { epochs: 8, batchSize: 64 },
} as const;

const descriptions: Record<PresetName, string> = {
  paper: 'The text of the paper, for CIFAR-10',
  'as-published': 'What the published code runs with its defaults, for CIFAR-10',
  quickstart: 'Tuned for the embedded MNIST sample at width 8: l_inf budget 0.2, few epochs and short inner attacks',
  'cifar10-lite': 'Tuned for a reduced network on a part of CIFAR-10 within two hours on two cores',
};

/** What a preset changes against the common settings. */
export interface PresetChange {
  readonly parameters?: Readonly<Record<string, number>>;
  readonly epochs?: number;
  readonly note?: string;
}

/** The four presets of a recipe: the common optimiser settings and length, with `changes` on top. */
export function presets(changes: Readonly<Record<PresetName, PresetChange>>): Readonly<Record<PresetName, Preset>> {
  const make = (name: PresetName): Preset => ({
    description: changes[name].note === undefined ? descriptions[name] : `${descriptions[name]}. ${changes[name].note}`,
    parameters: { ...optimiser[name], ...changes[name].parameters },
    epochs: changes[name].epochs ?? lengths[name].epochs,
    batchSize: lengths[name].batchSize,
  });
  return {
    paper: make('paper'),
    'as-published': make('as-published'),
    quickstart: make('quickstart'),
    'cifar10-lite': make('cifar10-lite'),
  };
}

/** Bounds the whole gradient, where a term of huge weight would break the weights. */
export const clipParameter: RecipeParameter = number(
  'gradient_clip',
  'Largest l_2 norm of the whole gradient; 0: no clipping',
  '',
  0,
  1e9,
);
