/** A run of the paper's whole experiment at some size. */
export interface ReproducePreset {
  readonly name: string;
  readonly description: string;
  readonly dataset: string;
  /** Preset of every recipe. */
  readonly recipePreset: string;
  readonly width: number;
  readonly blocks: readonly [number, number, number, number];
  /** Training samples; absent: all. */
  readonly trainLimit?: number;
  /** Test samples of profiles; 0: all. */
  readonly testSamples: number;
  readonly profile: {
    readonly strategy: 'exhaustive' | 'ascending' | 'bisect';
    readonly attack: PresetAttack;
    /** Tried afterwards at every sample's frontier, where that is `from` or more, in pixel units. */
    readonly confirmations: readonly { readonly from: number; readonly attack: PresetAttack }[];
  };
  readonly inversion: { readonly steps: number; readonly step: number };
  readonly smoothnessSamples: number;
  /** Expected share of the whole time that the report takes; only the estimate of the time left rests on it. */
  readonly reportShare: number;
  /** Pictures of each model that judges look at, how they are made, and who judges: models of another shape and seed than those judged. */
  readonly recognizability: {
    readonly pictures: number;
    readonly norm: number;
    readonly step: number;
    readonly steps: number;
    readonly judges: readonly ReproduceJudge[];
  };
}

/** An attack of a profile; what is absent is as the method has it. */
export interface PresetAttack {
  /** Absent: `pgd`. */
  readonly method?: string;
  readonly loss?: 'cross-entropy' | 'margin';
  readonly steps?: number;
  readonly restarts?: number;
  readonly queries?: number;
  readonly step?: { readonly kind: 'absolute' | 'relative'; readonly size: number };
}

/** A model that is trained to judge the pictures of the others. */
export interface ReproduceJudge {
  /** A recipe whose models look at what people look at: one that is hardened against small changes. */
  readonly recipe: string;
  readonly width: number;
  readonly blocks: readonly [number, number, number, number];
  /** Passes over the training samples; absent: the recipe preset's. */
  readonly epochs?: number;
}

/** Every preset of `percept reproduce`. */
export const reproducePresets: readonly ReproducePreset[] = [
  {
    name: 'quickstart',
    description: 'all nine recipes on the embedded MNIST sample with a small network, in minutes',
    dataset: 'mnist-5k',
    recipePreset: 'quickstart',
    width: 8,
    blocks: [1, 1, 1, 1],
    testSamples: 0,
    // Auto-PGD sees what steps of one size do not, at no more cost. From the training budget on, where robust models stand, ten queries of Square find what
    // it leaves: at 0.28 a third of the images that stand.
    profile: {
      strategy: 'bisect',
      attack: { method: 'apgd-ce', steps: 10 },
      confirmations: [{ from: 0.2, attack: { method: 'square', queries: 10 } }],
    },
    // The paper's 2/255 is a quarter of its training budget of 8/255; this one is a sixth of MNIST's, so that 200 steps draw what takes 2/255 several times as many.
    inversion: { steps: 200, step: 8 / 255 },
    smoothnessSamples: 50,
    reportShare: 0.45,
    // Steps of equal l_2 length move the pixels that matter most: black paper around a digit stays black.
    recognizability: {
      pictures: 20,
      norm: 2,
      step: 0.5,
      steps: 100,
      judges: [{ recipe: 'pgd', width: 6, blocks: [1, 1, 1, 2], epochs: 3 }],
    },
  },
  {
    name: 'cifar10-lite',
    description: 'all nine recipes on a part of CIFAR-10 with a reduced network, within hours on two cores',
    dataset: 'cifar10',
    recipePreset: 'cifar10-lite',
    width: 16,
    blocks: [1, 1, 1, 1],
    trainLimit: 10_000,
    testSamples: 500,
    profile: {
      strategy: 'bisect',
      attack: { loss: 'margin', steps: 20, restarts: 2, step: { kind: 'relative', size: 0.25 } },
      confirmations: [],
    },
    inversion: { steps: 1_024, step: 2 / 255 },
    smoothnessSamples: 100,
    reportShare: 0.35,
    recognizability: {
      pictures: 100,
      norm: Number.POSITIVE_INFINITY,
      step: 2 / 255,
      steps: 100,
      judges: [
        { recipe: 'fgsm', width: 12, blocks: [1, 1, 1, 1] },
        { recipe: 'pgd', width: 8, blocks: [2, 1, 1, 1] },
      ],
    },
  },
  {
    name: 'cifar10-paper',
    description: "the paper's experiment at full size: for a GPU, or for patience",
    dataset: 'cifar10',
    recipePreset: 'paper',
    width: 64,
    blocks: [2, 2, 2, 2],
    testSamples: 0,
    profile: {
      strategy: 'exhaustive',
      attack: { loss: 'cross-entropy', steps: 50, restarts: 10, step: { kind: 'absolute', size: 2 / 255 } },
      confirmations: [],
    },
    inversion: { steps: 2_048, step: 2 / 255 },
    smoothnessSamples: 200,
    reportShare: 0.6,
    recognizability: {
      pictures: 200,
      norm: Number.POSITIVE_INFINITY,
      step: 2 / 255,
      steps: 100,
      judges: [
        { recipe: 'pgd', width: 32, blocks: [2, 2, 2, 2] },
        { recipe: 'fgsm', width: 48, blocks: [1, 2, 2, 1] },
      ],
    },
  },
];

/** Expected work of each training, in any unit; only the estimate of the time left rests on it. */
const trainingCosts: Readonly<Record<string, number>> = {
  trades: 67,
  'trades-10000': 25,
  pgd: 44,
  'gradient-penalty': 23,
  'fim-penalty': 28,
  teacher: 18,
  distilled: 20,
  fgsm: 25,
  standard: 21,
};

/** The expected work of every part of the experiment by the part's name: recipes, judges, report. */
export function expectedCosts({ reportShare, recognizability }: ReproducePreset): Record<string, number> {
  const judges = recognizability.judges.map(({ recipe }, index): [string, number] => [
    judgeName(index),
    trainingCosts[recipe] ?? 0,
  ]);
  const trainings = { ...trainingCosts, ...Object.fromEntries(judges) };
  const sum = Object.values(trainings).reduce((total, cost) => total + cost, 0);
  return { ...trainings, report: (sum * reportShare) / (1 - reportShare) };
}

/** The name of judge number `index` among the parts. */
export function judgeName(index: number): string {
  return `judge-${index + 1}`;
}

/** The recipes of the experiment, longest first, so that workers end together; the student follows its teacher. */
export const reproducedRecipes = [
  'trades',
  'trades-10000',
  'pgd',
  'gradient-penalty',
  'fim-penalty',
  'teacher',
  'fgsm',
  'standard',
] as const;

/** The models of the report, in the order of figure 4.2. */
export const reportedRecipes = [
  'standard',
  'distilled',
  'gradient-penalty',
  'fim-penalty',
  'fgsm',
  'pgd',
  'trades',
  'trades-10000',
] as const;
