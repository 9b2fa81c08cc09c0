import { inversionAsPgd, inversionStarts, pgd } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { type Samples, selectSamples } from './samples.js';

/** Targeted perturbations without a budget and the starts they were made from: n flattened NHWC images each, in [0, 1]. */
export interface TargetedPictures {
  readonly starts: Float32Array;
  readonly images: Float32Array;
  /** The class each picture aims at. */
  readonly targets: Int32Array;
  /** 1 where the attacked model itself is convinced: no evidence of recognizability. */
  readonly success: Uint8Array;
  /** The attacked model's softmax probability of the target. */
  readonly confidence: Float64Array;
  /** Gradient steps taken to each picture. */
  readonly steps: Int32Array;
}

interface PictureOptions {
  /** The norm's p in which steps are steepest, in [1, Infinity]. */
  readonly norm: number;
  /** Length of a step in pixel units, and how many are taken at most. */
  readonly step: number;
  readonly steps: number;
  readonly signal?: AbortSignal;
  onStep?(): void;
}

/** How model inversions are made. */
export interface InversionOptions extends PictureOptions {
  /** Mean and standard deviation of the noise per channel, in pixel units. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Seed of the noise: the same starts for every model. */
  readonly noiseSeed: number;
}

/** Model inversion (Appendix F, figure 4.2): one picture per class from noise, without a budget, clamped to the box, all steps taken. Errors as pgd. */
export async function invertClasses(model: Classifier, options: InversionOptions): Promise<TargetedPictures> {
  const { mean, std, noiseSeed, norm, step, steps } = options;
  const targets = Int32Array.from({ length: model.classes }, (_, i) => i);
  const starts = inversionStarts(targets, model.inputShape, mean, std, noiseSeed);
  const inversion = inversionAsPgd({ norm, step: { kind: 'absolute', size: step }, steps });
  return await perturb(model, starts, targets, inversion, options);
}

/** The share of the largest logit by which the target must lead before a model counts as convinced. */
export const convictionMargin = 0.5;

/**
 * Perturbs images of other classes towards every class in turn, without a budget, until the model is convinced: its logit of the target leads
 * by `convictionMargin` of the largest. What had to change for that is then for independent judges to recognise.
 *
 * Picture i aims at class i mod K and starts from the next sample of another class (as the published notebook's seeds from the test set), so that
 * all models share starts and targets. Stopping at conviction compares models at the same effect: with steps without end even a standard
 * model's pictures grow into super-stimuli. Throws RangeError where `samples` lack images of other classes; other errors as pgd.
 */
export async function convincingPictures(
  model: Classifier,
  samples: Samples,
  options: PictureOptions & { readonly count: number },
): Promise<TargetedPictures> {
  const { count, norm, step, steps } = options;
  if (!(Number.isInteger(count) && count >= 1))
    throw new RangeError(`pictures must be an integer from 1, got ${count}`);
  const targets = Int32Array.from({ length: count }, (_, i) => i % model.classes);
  const { images: starts } = selectSamples(samples, startPositions(samples.labels, targets));
  const towards = {
    norm,
    step: { kind: 'absolute', size: step },
    steps,
    epsilon: Number.POSITIVE_INFINITY,
    start: 'origin',
    stop: 'first-success',
    keep: 'best',
    successMargin: convictionMargin,
    checkAt8Bits: false,
  } as const;
  return await perturb(model, starts, targets, towards, options);
}

/** For each target the next sample of another class, beginning again when all are used. */
function startPositions(labels: Int32Array, targets: Int32Array): number[] {
  let next = 0;
  return Array.from(targets, (target) => {
    for (let tried = 0; tried < labels.length; tried++) {
      const position = next++ % labels.length;
      if (labels[position] !== target) return position;
    }
    throw new RangeError(`no sample of another class than ${target} to start from`);
  });
}

async function perturb(
  model: Classifier,
  starts: Float32Array,
  targets: Int32Array,
  attack: Parameters<typeof pgd>[4],
  { signal, onStep }: PictureOptions,
): Promise<TargetedPictures> {
  const ids = Int32Array.from(targets.keys());
  const result = await pgd(model, starts, { kind: 'targeted', targets }, ids, attack, {
    ...(signal === undefined ? {} : { signal }),
    ...(onStep === undefined ? {} : { onStep: () => onStep() }),
  });
  return {
    starts,
    images: result.images,
    targets,
    success: result.success,
    confidence: result.goalConfidenceAfter,
    steps: result.gradientSteps,
  };
}
