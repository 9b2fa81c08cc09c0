import { inversionAsPgd, inversionStarts, type LossName, pgd } from '@percept/attacks';
import type { Classifier } from '@percept/models';

/** Targeted perturbations without a budget and the starts they were made from: n flattened NHWC images each, in [0, 1]. */
export interface InvertedPictures {
  readonly starts: Float32Array;
  readonly images: Float32Array;
  /** The class each picture aims at. */
  readonly targets: Int32Array;
  /** 1 where the attacked model itself predicts the target. */
  readonly success: Uint8Array;
  /** The attacked model's softmax probability of the target: no evidence of recognizability. */
  readonly confidence: Float64Array;
}

/** How pictures are made. */
export interface InversionOptions {
  /** Pictures per class, at least 1. */
  readonly perClass: number;
  /** Mean and standard deviation of the noise per channel, in pixel units. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Seed of the noise: the same starts for every model. */
  readonly noiseSeed: number;
  readonly norm: number;
  /** Length of a step in pixel units, and how many are taken. */
  readonly step: number;
  readonly steps: number;
  readonly loss?: LossName;
  readonly signal?: AbortSignal;
  onStep?(): void;
}

/**
 * Model inversion (Appendix F): `perClass` pictures of every class from noise, without a budget, clamped to the box, all steps taken.
 * The first pictures, one per class in order, are figure 4.2's strip. Throws the attack's errors or the abort signal's reason.
 */
export async function invertClasses(model: Classifier, options: InversionOptions): Promise<InvertedPictures> {
  const { perClass, mean, std, noiseSeed, norm, step, steps, loss, signal, onStep } = options;
  if (!(Number.isInteger(perClass) && perClass >= 1))
    throw new RangeError(`pictures per class must be an integer from 1, got ${perClass}`);
  const ids = Int32Array.from({ length: perClass * model.classes }, (_, i) => i);
  const targets = ids.map((id) => id % model.classes);
  const starts = inversionStarts(ids, model.inputShape, mean, std, noiseSeed);
  const result = await pgd(
    model,
    starts,
    { kind: 'targeted', targets },
    ids,
    inversionAsPgd({ norm, step: { kind: 'absolute', size: step }, steps, ...(loss === undefined ? {} : { loss }) }),
    { ...(signal === undefined ? {} : { signal }), ...(onStep === undefined ? {} : { onStep: () => onStep() }) },
  );
  return {
    starts,
    images: result.images,
    targets,
    success: result.success,
    confidence: result.goalConfidenceAfter,
  };
}

/** The first `count` pictures. */
export function firstPictures(pictures: InvertedPictures, count: number): InvertedPictures {
  const length = pictures.targets.length === 0 ? 0 : pictures.images.length / pictures.targets.length;
  return {
    starts: pictures.starts.slice(0, count * length),
    images: pictures.images.slice(0, count * length),
    targets: pictures.targets.slice(0, count),
    success: pictures.success.slice(0, count),
    confidence: pictures.confidence.slice(0, count),
  };
}
