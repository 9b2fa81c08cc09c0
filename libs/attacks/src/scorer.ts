import type { Classifier } from '@percept/models';
import { forwardLogits, requireFinite } from './ascent-gradient.js';
import { joinRows } from './image-rows.js';

/** What an attack may ask of any model, near or far: its scores. */
export interface Scorer {
  readonly classes: number;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  /** Logits (or other scores whose largest names the class) of `count` flattened NHWC images, count x classes values. */
  scores(rows: Float32Array, count: number): Float32Array | Promise<Float32Array>;
}

/** The logits of a model at hand. */
export function modelScorer(model: Classifier): Scorer {
  return {
    classes: model.classes,
    inputShape: model.inputShape,
    scores: (rows, count) => forwardLogits(model, rows, count),
  };
}

/** The scores of `rows`. Throws NonFiniteLogitsError. */
export async function finiteScores(scorer: Scorer, rows: readonly Float32Array[]): Promise<Float32Array> {
  const scores = await scorer.scores(joinRows(rows), rows.length);
  requireFinite(scores);
  return scores;
}
