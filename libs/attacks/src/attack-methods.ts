import { precisions } from '@percept/tensor';
import { defaultPgdOptions } from './pgd-options.js';
import { defaultSearchOptions, type SearchMethod } from './search-options.js';

/** One parameter of an attack method, as a caller sees it. */
export interface AttackParameter {
  readonly name: string;
  readonly description: string;
  readonly type: 'number' | 'integer' | 'choice' | 'boolean';
  /** Unit of a number, empty where it has none. */
  readonly unit: string;
  /** Inclusive range of a number unless `exclusiveMinimum`; Infinity where there is no limit. */
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly choices?: readonly string[];
  readonly default: number | string | boolean;
}

/** An attack that this library carries out. */
export interface AttackMethod {
  readonly name: 'pgd' | 'fgsm' | 'inversion' | SearchMethod;
  readonly description: string;
  readonly goals: readonly ('untargeted' | 'targeted')[];
  /** Whether it needs no gradients, and so applies to models that only score. */
  readonly blackBox: boolean;
  readonly parameters: readonly AttackParameter[];
}

const pixels = 'pixel units of [0, 1]';

const budget: readonly AttackParameter[] = [
  {
    name: 'norm',
    description: "The norm's p; Infinity bounds the largest change of a pixel",
    type: 'number',
    unit: '',
    minimum: 1,
    maximum: Number.POSITIVE_INFINITY,
    default: defaultPgdOptions.norm,
  },
  {
    name: 'epsilon',
    description: 'The budget: radius of the ball around the image; Infinity leaves only the box',
    type: 'number',
    unit: pixels,
    minimum: 0,
    maximum: Number.POSITIVE_INFINITY,
    default: defaultPgdOptions.epsilon,
  },
];

const loss: AttackParameter = {
  name: 'loss',
  description: 'What the attack raises for the label, or lowers for the target; dlr needs 3 classes (4 when targeted)',
  type: 'choice',
  unit: '',
  choices: ['cross-entropy', 'margin', 'dlr'],
  default: defaultPgdOptions.loss,
};

const geometry: readonly AttackParameter[] = [
  {
    name: 'projection',
    description: 'Exact Euclidean projection on ball and box together, or on the ball and then on the box',
    type: 'choice',
    unit: '',
    choices: ['exact', 'sequential'],
    default: defaultPgdOptions.projection,
  },
  {
    name: 'stepRule',
    description: 'For norm 1: fill coordinates within the box by size of gradient, or move one coordinate',
    type: 'choice',
    unit: '',
    choices: ['box-aware', 'plain'],
    default: defaultPgdOptions.stepRule,
  },
];

const stepKind: AttackParameter = {
  name: 'step.kind',
  description: 'Whether the step is given in pixel units or as a fraction of epsilon',
  type: 'choice',
  unit: '',
  choices: ['absolute', 'relative'],
  default: defaultPgdOptions.step.kind,
};

function stepSize(size: number): AttackParameter {
  return {
    name: 'step.size',
    description: 'Length of one step in the chosen norm',
    type: 'number',
    unit: `${pixels}, or fraction of epsilon`,
    minimum: 0,
    exclusiveMinimum: true,
    maximum: Number.MAX_VALUE,
    default: size,
  };
}

function steps(count: number): AttackParameter {
  return {
    name: 'steps',
    description: 'Gradient steps per start',
    type: 'integer',
    unit: 'steps',
    minimum: 1,
    maximum: 100_000,
    default: count,
  };
}

const precision: AttackParameter = {
  name: 'precision',
  description: "Of the model's filters in the steps; what succeeds in bfloat16 counts once float32 confirms it",
  type: 'choice',
  unit: '',
  choices: precisions,
  default: defaultPgdOptions.precision,
};

const seed: AttackParameter = {
  name: 'seed',
  description: 'Seed of the random starts, which also depend on sample and restart',
  type: 'integer',
  unit: '',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  default: defaultPgdOptions.seed,
};

const searchRestarts: AttackParameter = {
  name: 'restarts',
  description:
    'Runs per image, and per target class where there are several; an image already broken is not started again',
  type: 'integer',
  unit: 'runs',
  minimum: 1,
  maximum: 1_000,
  default: defaultSearchOptions.restarts,
};

const targetClasses: AttackParameter = {
  name: 'targetClasses',
  description: 'How many classes to aim at, the likeliest first; all others where the model has fewer',
  type: 'integer',
  unit: 'classes',
  minimum: 1,
  maximum: 100_000,
  default: defaultSearchOptions.targetClasses,
};

const queries: AttackParameter = {
  name: 'queries',
  description: 'Proposals per run of Square; one that changes nothing costs no pass',
  type: 'integer',
  unit: 'queries',
  minimum: 1,
  maximum: 1_000_000,
  default: defaultSearchOptions.queries,
};

const searchStop: AttackParameter = {
  name: 'stop',
  description: 'Leave an image at its first success, or go through with every run',
  type: 'choice',
  unit: '',
  choices: ['first-success', 'all-steps'],
  default: defaultSearchOptions.stop,
};

const stepHalving: readonly AttackParameter[] = [
  {
    name: 'momentum',
    description: "APGD's weight of a step against the move before it; of no effect for norm 1",
    type: 'number',
    unit: '',
    minimum: 0,
    exclusiveMinimum: true,
    maximum: 1,
    default: defaultSearchOptions.momentum,
  },
  {
    name: 'rho',
    description:
      'APGD halves its step where no more than this share of the last steps improved; of no effect for norm 1',
    type: 'number',
    unit: '',
    minimum: 0,
    exclusiveMinimum: true,
    maximum: 1,
    default: defaultSearchOptions.rho,
  },
  {
    name: 'projection',
    description: 'On the ball and then on the box, as AutoAttack does, or exactly on both together; exact for norm 1',
    type: 'choice',
    unit: '',
    choices: ['exact', 'sequential'],
    default: defaultSearchOptions.projection,
  },
];

const apgdParameters = [
  ...budget,
  steps(defaultSearchOptions.steps),
  searchRestarts,
  searchStop,
  ...stepHalving,
  precision,
  seed,
] as const;

const fewNorms = budget.map((parameter) =>
  parameter.name === 'norm' ? { ...parameter, description: "The norm's p: 1, 2 or Infinity" } : parameter,
);

/** Every attack of this library with the schema of its parameters, in the order a list shows them. */
export const attackMethods: readonly AttackMethod[] = [
  {
    name: 'pgd',
    description: 'Projected gradient descent for every l_p norm (Madry et al., 2017; Eq. 2.3)',
    goals: ['untargeted', 'targeted'],
    blackBox: false,
    parameters: [
      ...budget,
      stepKind,
      stepSize(defaultPgdOptions.step.size),
      steps(defaultPgdOptions.steps),
      {
        name: 'restarts',
        description: 'Starts per image at most; an image already broken is not started again',
        type: 'integer',
        unit: 'starts',
        minimum: 1,
        maximum: 1_000,
        default: defaultPgdOptions.restarts,
      },
      {
        name: 'start',
        description: 'Where the first start lies: uniform in the ball, or the image itself',
        type: 'choice',
        unit: '',
        choices: ['uniform', 'origin'],
        default: defaultPgdOptions.start,
      },
      loss,
      {
        name: 'stop',
        description: 'Leave an image at its first success, or take every step',
        type: 'choice',
        unit: '',
        choices: ['first-success', 'all-steps'],
        default: defaultPgdOptions.stop,
      },
      {
        name: 'keep',
        description: 'The best iterate (success first, then loss) or the last',
        type: 'choice',
        unit: '',
        choices: ['best', 'last'],
        default: defaultPgdOptions.keep,
      },
      ...geometry,
      precision,
      seed,
    ],
  },
  {
    name: 'fgsm',
    description: 'One step of the fast gradient method (Goodfellow et al., 2014; Appendix E)',
    goals: ['untargeted', 'targeted'],
    blackBox: false,
    parameters: [
      ...budget,
      {
        name: 'relativeStep',
        description: 'Length of the step as a fraction of epsilon; 1.25 is usual with a random start',
        type: 'number',
        unit: 'fraction of epsilon',
        minimum: 0,
        exclusiveMinimum: true,
        maximum: Number.MAX_VALUE,
        default: 1,
      },
      {
        name: 'randomStart',
        description: 'Begin uniformly in the ball instead of at the image (Wong et al., 2020)',
        type: 'boolean',
        unit: '',
        default: false,
      },
      loss,
      ...geometry,
      precision,
      seed,
    ],
  },
  {
    name: 'inversion',
    description: 'Model inversion: an unbounded targeted attack from noise around the mean image (Appendix F)',
    goals: ['targeted'],
    blackBox: false,
    parameters: [
      { ...budget[0], description: "The norm's p of the steepest step" } as AttackParameter,
      stepSize(2 / 255),
      steps(2048),
      loss,
      precision,
      { ...seed, description: 'Seed of the starting noise, the same for every model' },
    ],
  },
  {
    name: 'apgd-ce',
    description: 'Auto-PGD on the cross-entropy, free of a step size (Croce and Hein, 2020; for norm 1 2021)',
    goals: ['untargeted', 'targeted'],
    blackBox: false,
    parameters: apgdParameters,
  },
  {
    name: 'apgd-dlr',
    description:
      'Auto-PGD on the difference of logits ratio, which no scale of the logits changes (Croce and Hein, 2020)',
    goals: ['untargeted', 'targeted'],
    blackBox: false,
    parameters: apgdParameters,
  },
  {
    name: 'apgd-t',
    description: 'Auto-PGD on the targeted difference of logits ratio, towards one likely class after the other',
    goals: ['untargeted'],
    blackBox: false,
    parameters: [...apgdParameters, targetClasses],
  },
  {
    name: 'fab',
    description:
      'FAB-T: the nearest misclassified point, towards one likely class after the other (Croce and Hein, 2020)',
    goals: ['untargeted', 'targeted'],
    blackBox: false,
    parameters: [
      ...budget,
      steps(defaultSearchOptions.steps),
      searchRestarts,
      searchStop,
      targetClasses,
      precision,
      seed,
    ],
  },
  {
    name: 'square',
    description: 'Square: random search from scores alone (Andriushchenko et al., 2020)',
    goals: ['untargeted', 'targeted'],
    blackBox: true,
    parameters: [...fewNorms, queries, searchRestarts, searchStop, precision, seed],
  },
  {
    name: 'autoattack',
    description:
      "AutoAttack's standard version: apgd-ce, apgd-t, fab-t and square, each on the images that still stand",
    goals: ['untargeted'],
    blackBox: false,
    parameters: [
      ...fewNorms,
      steps(defaultSearchOptions.steps),
      searchRestarts,
      searchStop,
      targetClasses,
      queries,
      ...stepHalving,
      precision,
      seed,
    ],
  },
];
