import { inversionAsPgd, inversionStarts, pgd } from '@percept/attacks';
import { type TaskContext, type Transferring, transferring } from '@percept/compute';
import {
  type CurvePoint,
  type HonestyIndicator,
  honestyReport,
  type ProfileSettings,
  profile,
  type Samples,
  type Smoothness,
  smoothness,
  type WitnessLedger,
} from '@percept/measures';
import { ModelCache, type ModelWeights } from '@percept/models';

const models = new ModelCache(4);

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
  /** A positive budget of the grid. */
  readonly epsilon: number;
  readonly seed: number;
}

/** Checks a profile for the signs of a misleading evaluation. */
export async function judgeHonesty(task: HonestyTask, context: TaskContext): Promise<HonestyIndicator[]> {
  return await honestyReport(models.get(task.model), task.samples, task.ledger, {
    epsilon: task.epsilon,
    seed: task.seed,
    signal: context.signal,
  });
}

/** Smoothness on some samples. */
export interface SmoothnessTask {
  readonly model: ModelWeights;
  readonly samples: Samples;
  readonly norm: number;
}

/** Measures the paper's smoothness quantities. */
export async function measureSmoothness(task: SmoothnessTask, context: TaskContext): Promise<Smoothness> {
  return await smoothness(models.get(task.model), task.samples, {
    norm: task.norm,
    signal: context.signal,
    onProgress: (done, total) => {
      context.throwIfCancelled();
      context.progress({ done, total });
    },
  });
}

/** Targeted perturbations without a budget, one per class, from noise that is the same for every model (Fig. 4.2). */
export interface InversionTask {
  readonly model: ModelWeights;
  readonly classes: number;
  readonly noiseSeed: number;
  readonly norm: number;
  /** Step in pixel units. */
  readonly step: number;
  readonly steps: number;
}

/** The strip of one model: starts and results, one flattened image per class. */
export interface InversionStrip {
  readonly starts: Float32Array;
  readonly images: Float32Array;
  /** 1 where the model predicts the target. */
  readonly success: Uint8Array;
  /** Softmax probability of the target. */
  readonly confidence: Float64Array;
}

/** Makes the strip of one model. */
export async function invertClasses(task: InversionTask, context: TaskContext): Promise<Transferring<InversionStrip>> {
  const model = models.get(task.model);
  const { mean, std } = task.model.spec;
  const targets = Int32Array.from({ length: task.classes }, (_, i) => i);
  const starts = inversionStarts(targets, model.inputShape, mean, std, task.noiseSeed);
  let step = 0;
  const options = inversionAsPgd({ norm: task.norm, step: { kind: 'absolute', size: task.step }, steps: task.steps });
  const result = await pgd(model, starts, { kind: 'targeted', targets }, targets, options, {
    signal: context.signal,
    onStep: () => {
      context.throwIfCancelled();
      step++;
      context.progress({ done: step, total: task.steps });
    },
  });
  const strip = { starts, images: result.images, success: result.success, confidence: result.goalConfidenceAfter };
  return transferring(strip, [strip.images]);
}

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
  const model = models.get(task.model);
  const images: Float32Array[] = [];
  const predictions: number[] = [];
  const confidences: number[] = [];
  for (const epsilon of task.budgets) {
    context.throwIfCancelled();
    const result = await pgd(
      model,
      task.image,
      { kind: 'targeted', targets: Int32Array.of(task.target) },
      Int32Array.of(task.sampleId),
      {
        norm: task.norm,
        epsilon,
        step: { kind: 'relative', size: 2.5 / task.steps },
        steps: task.steps,
        start: 'origin',
        stop: 'all-steps',
        keep: 'last',
        seed: task.seed,
      },
      { signal: context.signal },
    );
    images.push(result.images);
    predictions.push(result.predictionAfter[0] as number);
    confidences.push(result.confidenceAfter[0] as number);
    context.progress({ done: images.length, total: task.budgets.length });
  }
  return { budgets: task.budgets, images, predictions, confidences };
}
