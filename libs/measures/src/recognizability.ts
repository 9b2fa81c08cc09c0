import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { forwardLogits } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { permutation } from '@percept/tensor';
import { type BootstrapOptions, clusterBootstrap, type Estimate, middle95 } from './cluster-bootstrap.js';
import { clusteredShare } from './clustered-share.js';
import { type Samples, valuesPerImage } from './samples.js';
import { rankOf, targetEvidence } from './target-evidence.js';
import type { TargetedPictures } from './targeted-pictures.js';

/** A model that judges pictures it had no part in making: of another architecture, depth or width, and another seed. */
export interface NamedJudge {
  readonly name: string;
  readonly model: Classifier;
}

/** What judges say of a set of pictures. Intervals take the target classes for clusters: shares by `clusteredShare`, the evidence by `clusterBootstrap`. */
export interface Verdict {
  /** Share of pictures that the judges put into the target class, and among their five likeliest. */
  readonly topOne: Estimate;
  readonly topFive: Estimate;
  /** Independent target evidence S in logits: how far the judges moved towards the target and not towards the other classes. */
  readonly evidence: Estimate;
}

/** What a draw of targets at random gives: the mean over permutations of the targets, and the range of 95 % of them. */
export interface ShuffledTargets {
  readonly mean: number;
  readonly lower: number;
  readonly upper: number;
  /** Share of shuffled targets that the judges put the pictures into; 1 / classes on average. */
  readonly topOne: number;
}

/** Recognizability of one model's targeted perturbations, as independent judges see them, with its controls. */
export interface Recognizability extends Verdict {
  readonly judges: readonly (Verdict & { readonly name: string })[];
  readonly shuffled: ShuffledTargets;
  /** Real images of the target class in place of the pictures, and half of each mixed with half of the start; absent without real images. */
  readonly exemplars?: Verdict;
  readonly blend?: Verdict;
  /** Whether the evidence reaches that of the 50 % blend and its interval lies above zero; absent without real images. */
  readonly recovers?: boolean;
  /** The class that most judges see in each picture; where as many see another, the earlier judge's word. */
  readonly readings: readonly number[];
  readonly perTarget: readonly {
    readonly target: number;
    readonly n: number;
    readonly topOne: number;
    readonly evidence: number;
  }[];
}

/** How pictures are judged. */
export interface RecognizabilityOptions extends BootstrapOptions {
  /** Permutations of the targets; default 200. */
  readonly permutations?: number;
  /** Images per engine call at most; default 128. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

/** What independent judges say of pictures, without controls. Errors as `recognizability`. */
export async function judgePictures(
  judges: readonly NamedJudge[],
  pictures: TargetedPictures,
  options: RecognizabilityOptions,
): Promise<Verdict> {
  checkJudges(judges, pictures);
  return verdictOf(
    await scoresOf(judges, pictures.images, pictures.starts, pictures.targets, options),
    pictures.targets,
    options,
  );
}

/** What each judge says, per picture; the panel's word is the mean over judges. */
interface PictureScores {
  readonly topOne: Float64Array;
  readonly topFive: Float64Array;
  /** S_a for every class, [n, classes]. */
  readonly evidence: Float64Array;
  readonly predictions: Int32Array;
}

/**
 * Judges a model's targeted perturbations by independent models: top-1 and top-5 target rates and independent target evidence (`targetEvidence`),
 * each with an interval that counts classes as clusters, beside three controls: real images of the targets, half blends of them with the starts, and shuffled targets.
 *
 * `real` are images that no judge was trained on. The attacked model must not be among the judges: its own confidence is no evidence.
 * Throws RangeError for no judges, no pictures or shapes that differ, or the abort signal's reason.
 */
export async function recognizability(
  judges: readonly NamedJudge[],
  pictures: TargetedPictures,
  real: Samples,
  options: RecognizabilityOptions,
): Promise<Recognizability> {
  const { targets, starts, images } = pictures;
  const classes = checkJudges(judges, pictures);
  const scores = await scoresOf(judges, images, starts, targets, options);
  const evidence = meanOver(scores, ({ evidence: own }) => own);
  const verdict = verdictOf(scores, targets, options);
  const controls = await realControls(judges, pictures, real, options);
  return {
    ...verdict,
    judges: judges.map(({ name }, i) => ({
      name,
      ...verdictOf([scores[i] as PictureScores], targets, options),
    })),
    shuffled: shuffledTargets(scores, evidence, targets, classes, options),
    ...(controls === undefined
      ? {}
      : {
          ...controls,
          recovers: verdict.evidence.estimate >= controls.blend.evidence.estimate && verdict.evidence.lower > 0,
        }),
    readings: [...targets.keys()].map((i) => mostFrequent(scores.map(({ predictions }) => predictions[i] as number))),
    perTarget: perTarget(scores, evidence, targets, classes),
  };
}

function checkJudges(judges: readonly NamedJudge[], { targets, images, starts }: TargetedPictures): number {
  const [first] = judges;
  if (first === undefined) throw new RangeError('recognizability needs at least one judge');
  if (targets.length === 0 || images.length !== starts.length) throw new RangeError('there are no pictures to judge');
  const { classes } = first.model;
  for (const { name, model } of judges) {
    const length = model.inputShape.reduce((product, side) => product * side, 1);
    if (model.classes !== classes || length * targets.length !== images.length)
      throw new RangeError(`judge ${name} does not take these pictures`);
  }
  return classes;
}

async function scoresOf(
  judges: readonly NamedJudge[],
  images: Float32Array,
  starts: Float32Array,
  targets: Int32Array,
  { batchSize = 128, signal }: RecognizabilityOptions,
): Promise<PictureScores[]> {
  const scores: PictureScores[] = [];
  for (const { model } of judges) {
    await yieldToEventLoop();
    signal?.throwIfAborted();
    const after = logitsOf(model, images, targets.length, batchSize);
    const before = logitsOf(model, starts, targets.length, batchSize);
    const { classes } = model;
    const row = (logits: Float32Array, i: number): Float32Array => logits.subarray(i * classes, (i + 1) * classes);
    const ranks = targets.map((target, i) => rankOf(row(after, i), target));
    const evidence = new Float64Array(targets.length * classes);
    for (let i = 0; i < targets.length; i++) evidence.set(targetEvidence(row(after, i), row(before, i)), i * classes);
    scores.push({
      topOne: Float64Array.from(ranks, (rank) => Number(rank < 1)),
      topFive: Float64Array.from(ranks, (rank) => Number(rank < 5)),
      evidence,
      predictions: targets.map((_, i) => row(after, i).indexOf(Math.max(...row(after, i)))),
    });
  }
  return scores;
}

function logitsOf(model: Classifier, images: Float32Array, count: number, batchSize: number): Float32Array {
  const length = images.length / count;
  const logits = new Float32Array(count * model.classes);
  for (let first = 0; first < count; first += batchSize) {
    const batch = Math.min(batchSize, count - first);
    const part = forwardLogits(model, images.slice(first * length, (first + batch) * length), batch);
    logits.set(part, first * model.classes);
  }
  return logits;
}

function verdictOf(scores: readonly PictureScores[], targets: Int32Array, options: BootstrapOptions): Verdict {
  const classes = (scores[0]?.evidence.length ?? 0) / targets.length;
  const evidence = meanOver(scores, ({ evidence: own }) => own);
  const own = Float64Array.from(targets, (target, i) => evidence[i * classes + target] as number);
  return {
    topOne: clusteredShare(
      meanOver(scores, ({ topOne }) => topOne),
      targets,
    ),
    topFive: clusteredShare(
      meanOver(scores, ({ topFive }) => topFive),
      targets,
    ),
    evidence: clusterBootstrap(own, targets, options),
  };
}

function meanOver(scores: readonly PictureScores[], part: (scores: PictureScores) => Float64Array): Float64Array {
  const mean = new Float64Array(part(scores[0] as PictureScores).length);
  for (const one of scores) {
    for (const [i, value] of part(one).entries()) mean[i] = (mean[i] as number) + value / scores.length;
  }
  return mean;
}

function shuffledTargets(
  scores: readonly PictureScores[],
  evidence: Float64Array,
  targets: Int32Array,
  classes: number,
  { permutations = 200, seed }: RecognizabilityOptions,
): ShuffledTargets {
  let hits = 0;
  const means = Float64Array.from({ length: permutations }, (_, round) => {
    const order = permutation({ seed, purpose: 'shuffled targets', sample: round }, targets.length);
    let sum = 0;
    for (const [i, from] of order.entries()) {
      const target = targets[from] as number;
      sum += evidence[i * classes + target] as number;
      for (const { predictions } of scores) hits += Number(predictions[i] === target) / scores.length;
    }
    return sum / targets.length;
  });
  return {
    mean: means.reduce((sum, value) => sum + value, 0) / permutations,
    ...middle95(means),
    topOne: hits / permutations / targets.length,
  };
}

/** Real images of the targets and their half blends with the starts; pictures whose class has no real image are left out. */
async function realControls(
  judges: readonly NamedJudge[],
  { starts, targets }: TargetedPictures,
  real: Samples,
  options: RecognizabilityOptions,
): Promise<{ exemplars: Verdict; blend: Verdict } | undefined> {
  const length = starts.length / targets.length;
  if (real.ids.length > 0 && valuesPerImage(real) !== length)
    throw new RangeError('the real images are not of the pictures’ shape');
  const used = new Map<number, number>();
  const pairs = [...targets].flatMap((target, picture) => {
    const ofClass = [...real.labels.keys()].filter((position) => real.labels[position] === target);
    if (ofClass.length === 0) return [];
    const turn = used.get(target) ?? 0;
    used.set(target, turn + 1);
    return [{ picture, target, position: ofClass[turn % ofClass.length] as number }];
  });
  if (pairs.length === 0) return undefined;
  const from = new Float32Array(pairs.length * length);
  const exemplars = new Float32Array(pairs.length * length);
  for (const [row, { picture, position }] of pairs.entries()) {
    from.set(starts.subarray(picture * length, (picture + 1) * length), row * length);
    exemplars.set(real.images.subarray(position * length, (position + 1) * length), row * length);
  }
  const blend = exemplars.map((value, i) => (value + (from[i] as number)) / 2);
  const kept = Int32Array.from(pairs, ({ target }) => target);
  return {
    exemplars: verdictOf(await scoresOf(judges, exemplars, from, kept, options), kept, options),
    blend: verdictOf(await scoresOf(judges, blend, from, kept, options), kept, options),
  };
}

/** The value that occurs most often, the first of those that occur as often. */
function mostFrequent(values: readonly number[]): number {
  const count = (value: number): number => values.filter((other) => other === value).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best));
}

function perTarget(
  scores: readonly PictureScores[],
  evidence: Float64Array,
  targets: Int32Array,
  classes: number,
): Recognizability['perTarget'] {
  const topOne = meanOver(scores, ({ topOne: own }) => own);
  return [...new Set(targets)]
    .sort((a, b) => a - b)
    .map((target) => {
      const rows = [...targets.keys()].filter((i) => targets[i] === target);
      const mean = (partOf: (i: number) => number): number => rows.reduce((sum, i) => sum + partOf(i), 0) / rows.length;
      return {
        target,
        n: rows.length,
        topOne: mean((i) => topOne[i] as number),
        evidence: mean((i) => evidence[i * classes + target] as number),
      };
    });
}
