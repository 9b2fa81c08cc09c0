import type {
  AlignedGradients,
  ClassCollapse,
  CurvePoint,
  HonestyIndicator,
  LemmaCheck,
  NamedAttack,
  PairedComparison,
  Recognizability,
  SampleSmoothness,
  SmoothnessEstimates,
  TargetedPictures,
  Verdict,
} from '@percept/measures';

/** Everything a report shows. Images are flattened NHWC float32 in [0, 1]; budgets in pixel units. */
export interface ReportData {
  readonly title: string;
  readonly dataset: ReportDataset;
  readonly models: readonly ReportModel[];
  readonly figures: {
    /** Starts of figure 4.2, one image per class. */
    readonly starts?: Float32Array;
    /** The image that figure 1.1 perturbs, with its class and the class aimed at. */
    readonly source?: {
      readonly image: Float32Array;
      readonly label: number;
      readonly target: number;
      readonly sampleId: number;
    };
  };
  /** The models that judged recognizability, where it was measured. */
  readonly judges?: readonly JudgeRecord[];
  /** Pairs of models at the training budget, compared sample by sample. */
  readonly comparisons?: readonly (PairedComparison & { readonly first: string; readonly second: string })[];
  /** Every setting of the evaluation, plain JSON. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly engine: { readonly name: string; readonly version: string; readonly path: string; readonly threads: number };
  readonly perceptVersion: string;
}

/** The data that models were measured on. */
export interface ReportDataset {
  readonly name: string;
  readonly split: string;
  readonly samples: number;
  /** SHA-256 of the split. */
  readonly digest: string;
  readonly classNames: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** The budget that models were trained against. */
  readonly trainingEpsilon: number;
  readonly norm: number;
}

/** A model that judged the pictures of others. */
export interface JudgeRecord {
  readonly name: string;
  /** SHA-256 of the weights. */
  readonly digest: string;
  readonly recipe: string;
  readonly seed: number;
  readonly width: number;
  readonly blocks: readonly number[];
}

/** One model with its measures. */
export interface ReportModel {
  readonly name: string;
  readonly displayName: string;
  readonly recipe: string;
  readonly preset: string;
  readonly parameters: Readonly<Record<string, number>>;
  /** SHA-256 of the weights. */
  readonly digest: string;
  readonly spec: {
    readonly architecture: string;
    readonly width: number;
    readonly blocks: readonly number[];
    /** Mean and standard deviation per channel by which the model normalises. */
    readonly mean: readonly number[];
    readonly std: readonly number[];
  };
  readonly epochs: number;
  readonly seed: number;
  readonly dataset: string;
  readonly profile: {
    readonly strategy: string;
    readonly attacks: readonly NamedAttack[];
    /** Attacks that confirmed the curve in places; absent where there were none. */
    readonly confirmations?: readonly NamedAttack[];
    readonly curve: readonly CurvePoint[];
    /** The curve against witnesses that survive rounding to 8 bits. */
    readonly eightBit?: readonly CurvePoint[];
    readonly gradientImageSteps: number;
    readonly forwardImagePasses: number;
    readonly rejectedWitnesses: number;
    readonly witnessesSha256: string;
    /** Samples of each class, and how many of them withstand the training budget; absent where the grid lacks it. */
    readonly perClass?: readonly { readonly n: number; readonly robust: number }[];
  };
  readonly collapse: ClassCollapse;
  readonly honesty?: readonly HonestyIndicator[];
  readonly smoothness?: {
    readonly mean: SampleSmoothness;
    readonly samples: number;
    readonly lemma: LemmaCheck;
    /** Lower bounds of the logits' local Lipschitz constant within `radius`, in pixel units. */
    readonly localLipschitz?: { readonly mean: number; readonly largest: number; readonly radius: number };
    readonly estimates?: {
      readonly mean: SmoothnessEstimates;
      readonly relativeError: SmoothnessEstimates;
      readonly projections: number;
    };
  };
  readonly recognizability?: Recognizability & {
    readonly gradients: AlignedGradients;
    /** Share of the pictures that convinced the model itself, and the mean number of steps to them. */
    readonly convinced: number;
    readonly meanSteps: number;
    /** The judges' verdict on figure 4.2's strip, all steps taken. */
    readonly strip?: Verdict;
    readonly pictures: TargetedPictures;
  };
  /** Figure 4.2's strip: one image per class. */
  readonly strip?: { readonly images: Float32Array; readonly success: Uint8Array; readonly confidence: Float64Array };
  /** Figure 1.1's pictures: one per budget. */
  readonly sweep?: {
    readonly budgets: readonly number[];
    readonly images: readonly Float32Array[];
    readonly predictions: readonly number[];
    readonly confidences: readonly number[];
  };
}

/** The curve's point at the training budget, where the grid has it. */
export function pointAtTrainingBudget(model: ReportModel, { trainingEpsilon }: ReportDataset): CurvePoint | undefined {
  return curvePointAt(model.profile.curve, trainingEpsilon);
}

/** A curve's point at a budget, where its grid has it. */
export function curvePointAt(curve: readonly CurvePoint[], budget: number): CurvePoint | undefined {
  return curve.find(({ epsilon }) => Math.abs(epsilon - budget) <= 1e-9 * Math.max(1, budget));
}

/** Every budget that any of the models was measured at. */
export function budgetsOf({ models }: ReportData): number[] {
  return models.flatMap(({ profile }) => profile.curve.map(({ epsilon }) => epsilon));
}

/** A model's name as figures show it: marked where its profile fails a check of its honesty, and with the class it collapsed to. */
export function figureLabel(
  { displayName, collapse, honesty = [] }: ReportModel,
  { classNames }: Pick<ReportDataset, 'classNames'>,
): string {
  const failing = honesty.filter(({ verdict }) => verdict === 'fail').length;
  const mark = failing === 0 ? '' : ` ! fails ${failing} ${failing === 1 ? 'check' : 'checks'}`;
  return `${displayName}${collapse.collapsed ? ` (collapsed to “${classNames[collapse.topClass]}”)` : ''}${mark}`;
}
