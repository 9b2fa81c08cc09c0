import { forwardLogits, judge } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { RandomStream } from '@percept/tensor';
import { atMost, type HonestyIndicator } from './honesty-indicator.js';
import { type Samples, valuesPerImage } from './samples.js';

/** Passes over the same images whose answers are compared. */
const passes = 5;
/** Random points per image, and their distance from it per pixel, of the stability check (Pintor et al., 2022). */
const points = 20;
const pointRadius = 8 / 255;

/**
 * What a model's answers themselves say about whether gradients can be trusted: whether it answers at random, gives probabilities in place of logits,
 * saturates, or changes erratically around an image. `samples` holds at least one image; all of them are used.
 */
export function modelHonesty(model: Classifier, samples: Samples, seed: number): HonestyIndicator[] {
  const logits = forwardLogits(model, samples.images, samples.ids.length);
  return [
    randomAnswers(model, samples, logits),
    probabilities(logits, model.classes),
    saturation(logits, model.classes),
    stability(model, samples, logits, seed),
  ];
}

function randomAnswers(model: Classifier, samples: Samples, logits: Float32Array): HonestyIndicator {
  const scale = logits.reduce((largest, value) => Math.max(largest, Math.abs(value)), Number.MIN_VALUE);
  let apart = 0;
  for (let pass = 1; pass < passes; pass++) {
    const again = forwardLogits(model, samples.images, samples.ids.length);
    for (let i = 0; i < logits.length; i++)
      apart = Math.max(apart, Math.abs((again[i] as number) - (logits[i] as number)));
  }
  return atMost(
    {
      name: 'random-answers',
      source: 'AutoAttack flags',
      description: `largest difference between logits of ${passes} passes over the same images, relative to the largest logit`,
      limit: 1e-4,
      advice: 'Attack the mean over many passes (expectation over transformation), and count accuracy over several.',
    },
    apart / scale,
  );
}

function probabilities(logits: Float32Array, classes: number): HonestyIndicator {
  const rows = rowsOf(logits, classes);
  const share = rows.filter(
    (row) =>
      row.every((value) => value >= 0 && value <= 1) && Math.abs(row.reduce((sum, value) => sum + value, 0) - 1) < 1e-5,
  ).length;
  return atMost(
    {
      name: 'probabilities-for-logits',
      source: 'AutoAttack flags',
      description:
        'share of answers that are probability vectors: a softmax on top of the logits flattens their gradients',
      limit: 0,
      advice: 'Give the attack the logits, before the softmax.',
    },
    share / rows.length,
  );
}

function saturation(logits: Float32Array, classes: number): HonestyIndicator {
  const rows = rowsOf(logits, classes);
  // 1 - f_top below half a unit in the last place of 1: in float32 the cross-entropy's gradient is zero.
  const saturated = rows.filter((row) => {
    const top = Math.max(...row);
    const others = row.reduce((sum, value) => sum + Math.exp(value - top), 0) - 1;
    return others < 2 ** -25;
  }).length;
  return atMost(
    {
      name: 'saturated-softmax',
      source: 'Carlini and Wagner on distillation; Pintor et al.',
      description: 'share of images whose softmax is 1 in float32, where a plain cross-entropy has no gradient',
      limit: 0.5,
      advice:
        'Attack along the margin or DLR loss, as the witnesses here were judged in float64; do not believe cross-entropy figures of other tools.',
    },
    saturated / rows.length,
  );
}

function stability(model: Classifier, samples: Samples, logits: Float32Array, seed: number): HonestyIndicator {
  const { classes } = model;
  const count = samples.ids.length;
  const length = valuesPerImage(samples);
  const margins = (found: Float32Array): number[] =>
    Array.from(samples.labels, (label, row) => {
      const aim = { kind: 'untargeted', goalClass: label, cleanClass: label } as const;
      return judge(found, row * classes, classes, aim, 'margin').margin;
    });
  const clean = margins(logits);
  const size = clean.reduce((sum, margin) => sum + Math.abs(margin), 0);
  let change = 0;
  for (let point = 0; point < points; point++) {
    const moved = samples.images.slice();
    for (const [row, id] of samples.ids.entries()) {
      const stream = new RandomStream({ seed, purpose: 'stability point', sample: id, step: point });
      for (let i = row * length; i < (row + 1) * length; i++) {
        const value = (moved[i] as number) + pointRadius * (2 * stream.nextUniform() - 1);
        moved[i] = Math.min(1, Math.max(0, value));
      }
    }
    for (const [row, margin] of margins(forwardLogits(model, moved, count)).entries())
      change += Math.abs(margin - (clean[row] as number)) / points;
  }
  return atMost(
    {
      name: 'unstable-predictions',
      source: 'Pintor et al.',
      description: `mean change of the margin at ${points} random points within 8/255 of an image, relative to the mean margin`,
      limit: 0.2,
      advice:
        'The loss is too rugged for its gradients: attack with smoothed gradients, or from scores alone (square).',
    },
    change / Math.max(size, Number.MIN_VALUE),
  );
}

function rowsOf(logits: Float32Array, classes: number): Float32Array[] {
  return Array.from({ length: logits.length / classes }, (_, row) =>
    logits.subarray(row * classes, (row + 1) * classes),
  );
}
