import { pgd } from '@percept/attacks';
import { type TaskContext, type Transferring, transferring } from '@percept/compute';
import {
  labellingFiles,
  type ReportArtifact,
  type ReportData,
  reportArtifacts,
  robustBenchFiles,
} from '@percept/figures';
import {
  type AlignedGradients,
  alignedGradients,
  type CurvePoint,
  convincingPictures,
  eightBitRobustness,
  type HonestyIndicator,
  honestyReport,
  invertClasses as invertClassesOf,
  judgePictures,
  localLipschitz,
  type ProfileSettings,
  profile,
  type Recognizability,
  recognizability,
  type Samples,
  type Smoothness,
  smoothness,
  type TargetedPictures,
  type Verdict,
  type WitnessLedger,
} from '@percept/measures';
import { ModelCache, type ModelWeights } from '@percept/models';

const models = new ModelCache(4);
/** Judges are many and small, and asked for again with every model. */
const judgeModels = new ModelCache(16);

/** A report that is measured and not yet drawn. */
export interface DrawingTask {
  readonly data: ReportData;
  /** The pictures that people may label, of each model that has some. */
  readonly labelled: Parameters<typeof labellingFiles>[1];
}

/** Draws a report: its page, figures, JSON, RobustBench's files and the pictures to label. Drawing takes seconds, which no thread that answers calls has. */
export async function drawReport({ data, labelled }: DrawingTask, context: TaskContext): Promise<ReportArtifact[]> {
  context.throwIfCancelled();
  return [
    ...(await reportArtifacts(data)),
    ...robustBenchFiles(data),
    ...labellingFiles(data.dataset, labelled, Number(data.settings['seed'])),
  ];
}

/** One shard of a robust-accuracy profile. */
export interface ProfileTask {
  readonly model: ModelWeights;
  readonly samples: Samples;
  readonly settings: ProfileSettings;
}

/** What a running profile tells its caller: how far it is, and its curve as far as it is known. */
export type ProfileTaskEvent =
  | { readonly kind: 'progress'; readonly fraction: number; readonly gradientImageSteps: number }
  | { readonly kind: 'curve'; readonly curve: readonly CurvePoint[] };

/** Profiles one shard of samples. */
export async function profileShard(task: ProfileTask, context: TaskContext): Promise<Transferring<WitnessLedger>> {
  const ledger = await profile(models.get(task.model), task.samples, task.settings, {
    signal: context.signal,
    onProgress: ({ fraction, gradientImageSteps }) => {
      context.throwIfCancelled();
      context.progress({ kind: 'progress', fraction, gradientImageSteps } satisfies ProfileTaskEvent);
    },
    onCurve: (curve) => context.progress({ kind: 'curve', curve } satisfies ProfileTaskEvent),
  });
  const images = ledger.entries.flatMap(({ witness }) => (witness === undefined ? [] : [witness.image]));
  return transferring(ledger, images);
}

/** The honesty checks of one profile. */
export interface HonestyTask {
  readonly model: ModelWeights;
  readonly samples: Samples;
  readonly ledger: WitnessLedger;
  /** The profile's settings. */
  readonly settings: ProfileSettings;
  /** Ledgers of other models over the same samples. */
  readonly others: readonly WitnessLedger[];
  /** A positive budget of the grid. */
  readonly epsilon: number;
  readonly seed: number;
}

/** Checks a profile for the signs of a misleading evaluation. */
export async function judgeHonesty(task: HonestyTask, context: TaskContext): Promise<HonestyIndicator[]> {
  return await honestyReport(models.get(task.model), task.samples, task.ledger, {
    settings: task.settings,
    others: task.others,
    epsilon: task.epsilon,
    seed: task.seed,
    signal: context.signal,
  });
}

/** A ledger whose witnesses are to be rounded to 8 bits. */
export interface EightBitTask {
  readonly model: ModelWeights;
  readonly samples: Samples;
  readonly ledger: WitnessLedger;
}

/** The robust-accuracy curve against witnesses that survive rounding. */
export async function roundWitnesses(task: EightBitTask, context: TaskContext): Promise<CurvePoint[]> {
  context.throwIfCancelled();
  return eightBitRobustness(models.get(task.model), task.samples, task.ledger);
}

/** Smoothness on some samples. */
export interface SmoothnessTask {
  readonly model: ModelWeights;
  readonly samples: Samples;
  readonly norm: number;
  readonly projections: number;
  /** Radius of the local Lipschitz estimate in pixel units, positive and finite. */
  readonly radius: number;
  readonly seed: number;
}

/** The paper's smoothness quantities, and the steepest chord found around each sample. */
export interface MeasuredSmoothness extends Smoothness {
  /** Lower bounds of the logits' local Lipschitz constants, one per sample. */
  readonly localLipschitz: Float64Array;
  readonly radius: number;
}

/** Measures the paper's smoothness quantities. */
export async function measureSmoothness(task: SmoothnessTask, context: TaskContext): Promise<MeasuredSmoothness> {
  const { samples, norm, projections, radius, seed } = task;
  const { signal } = context;
  const model = models.get(task.model);
  const measured = await smoothness(model, samples, {
    norm,
    projections,
    seed,
    signal,
    onProgress: (done, total) => {
      context.throwIfCancelled();
      context.progress({ done, total });
    },
  });
  const steepest = await localLipschitz(model, samples, { norm, epsilon: radius, seed, signal });
  return { ...measured, localLipschitz: steepest, radius };
}

/** Targeted perturbations without a budget, one per class, from noise that is the same for every model (Fig. 4.2). */
export interface InversionTask {
  readonly model: ModelWeights;
  readonly noiseSeed: number;
  readonly norm: number;
  /** Step in pixel units. */
  readonly step: number;
  readonly steps: number;
}

/** Makes the strip of one model. */
export async function invertClasses(
  task: InversionTask,
  context: TaskContext,
): Promise<Transferring<TargetedPictures>> {
  const { mean, std } = task.model.spec;
  let step = 0;
  const strip = await invertClassesOf(models.get(task.model), {
    ...task,
    mean,
    std,
    signal: context.signal,
    onStep: () => {
      context.throwIfCancelled();
      step++;
      context.progress({ done: step, total: task.steps });
    },
  });
  return transferring(strip, [strip.images]);
}

/** Pictures of one model before independent judges. */
export interface RecognizabilityTask {
  readonly model: ModelWeights;
  readonly judges: readonly { readonly name: string; readonly weights: ModelWeights }[];
  /** The first are the starts of the pictures; all are real images for controls and class means. */
  readonly samples: Samples;
  /** Figure 4.2's strip, where it was made. */
  readonly strip?: TargetedPictures;
  readonly pictures: number;
  readonly norm: number;
  readonly step: number;
  readonly steps: number;
  readonly resamples: number;
  readonly seed: number;
}

/** What judges and gradients say of one model. */
export interface MeasuredRecognizability extends Recognizability {
  readonly gradients: AlignedGradients;
  /** Share of the pictures that convinced the model itself, and the mean number of steps to them. */
  readonly convinced: number;
  readonly meanSteps: number;
  /** The verdict on figure 4.2's strip, all steps taken. */
  readonly strip?: Verdict;
  readonly pictures: TargetedPictures;
}

/** Makes pictures that convince the model and has independent judges look at them. */
export async function judgeRecognizability(
  task: RecognizabilityTask,
  context: TaskContext,
): Promise<Transferring<MeasuredRecognizability>> {
  const { samples, norm, step, steps, resamples, seed, strip } = task;
  const { signal } = context;
  const model = models.get(task.model);
  let taken = 0;
  const pictures = await convincingPictures(model, samples, {
    count: task.pictures,
    norm,
    step,
    steps,
    signal,
    onStep: () => {
      context.throwIfCancelled();
      context.progress({ done: Math.min(++taken, steps), total: steps });
    },
  });
  const judges = task.judges.map(({ name, weights }) => ({ name, model: judgeModels.get(weights) }));
  const options = { resamples, seed, signal };
  const judged = await recognizability(judges, pictures, samples, options);
  const gradients = await alignedGradients(model, samples, { ...options, count: gradientSamples });
  const count = pictures.targets.length;
  return transferring(
    {
      ...judged,
      gradients,
      convinced: pictures.success.reduce((sum, success) => sum + success, 0) / count,
      meanSteps: pictures.steps.reduce((sum, taken) => sum + taken, 0) / count,
      ...(strip === undefined ? {} : { strip: await judgePictures(judges, strip, options) }),
      pictures,
    },
    [pictures.images],
  );
}

/** Samples whose gradients are compared with the class means, at most. */
const gradientSamples = 200;

/** Targeted perturbations of one image, one per budget, each on its own (Fig. 1.1). */
export interface BudgetSweepTask {
  readonly model: ModelWeights;
  readonly image: Float32Array;
  readonly sampleId: number;
  readonly target: number;
  readonly budgets: readonly number[];
  readonly norm: number;
  readonly steps: number;
  readonly seed: number;
}

/** One picture per budget of a sweep. */
export interface BudgetSweep {
  readonly budgets: readonly number[];
  readonly images: readonly Float32Array[];
  readonly predictions: readonly number[];
  readonly confidences: readonly number[];
}

/** Attacks one image towards one class at each budget, all steps taken, so that the pictures compare. */
export async function sweepBudgets(task: BudgetSweepTask, context: TaskContext): Promise<BudgetSweep> {
  const { budgets, image, target, sampleId, steps, norm, seed } = task;
  const count = budgets.length;
  const copies = new Float32Array(count * image.length);
  for (let row = 0; row < count; row++) copies.set(image, row * image.length);
  const result = await pgd(
    models.get(task.model),
    copies,
    { kind: 'targeted', targets: new Int32Array(count).fill(target) },
    new Int32Array(count).fill(sampleId),
    {
      norm,
      epsilon: Math.max(...budgets),
      step: { kind: 'relative', size: 2.5 / steps },
      steps,
      start: 'origin',
      stop: 'all-steps',
      keep: 'last',
      seed,
    },
    {
      signal: context.signal,
      epsilons: Float64Array.from(budgets),
      onStep: ({ gradientImageSteps, gradientImageStepsAtMost }) => {
        context.throwIfCancelled();
        context.progress({ done: gradientImageSteps, total: gradientImageStepsAtMost });
      },
    },
  );
  return {
    budgets,
    images: budgets.map((_, row) => result.images.slice(row * image.length, (row + 1) * image.length)),
    predictions: [...result.predictionAfter],
    confidences: [...result.confidenceAfter],
  };
}
