import type { Classifier } from '@percept/models';
import { hostResult, inputGradient } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Aim, type LossName, writeAscentCotangent } from './losses.js';

/** Thrown when a model answers with logits that are not finite numbers: no attack on it means anything. */
export class NonFiniteLogitsError extends Error {
  constructor() {
    super('the model returned logits that are not finite');
    this.name = 'NonFiniteLogitsError';
  }
}

/** Logits and the objective's direction of ascent in pixel space, one row per image; each row's gradient is known up to a positive factor. */
export interface AscentGradient {
  readonly logits: Float32Array;
  readonly gradient: Float32Array;
}

/**
 * One forward and one backward pass over `rows` (batch x height x width x channels values): J^T c, with c from `writeAscentCotangent`.
 *
 * The loss is differentiated on the host, row by row, so that each image's direction is independent of its batch mates and never underflows.
 * Throws NonFiniteLogitsError.
 */
export function ascentGradient(
  model: Classifier,
  rows: Float32Array,
  aims: readonly Aim[],
  loss: LossName,
): AscentGradient {
  return pullBack(model, rows, aims.length, (cotangent, logits, row) =>
    writeAscentCotangent(cotangent, logits, row * model.classes, model.classes, aims[row] as Aim, loss),
  );
}

/**
 * One forward and one backward pass over `batch` rows: J^T c, where `write` fills c's row (zero before) from the logits of all rows.
 * Throws NonFiniteLogitsError.
 */
export function pullBack(
  model: Classifier,
  rows: Float32Array,
  batch: number,
  write: (cotangent: Float32Array, logits: Float32Array, row: number) => void,
): AscentGradient {
  let logits = new Float32Array(0);
  const gradient = hostResult(() => {
    const x = tf.tensor4d(rows, [batch, ...model.inputShape]);
    const objective = (images: tf.Tensor4D): tf.Tensor1D => {
      const z = model.logits(images);
      logits = z.dataSync<'float32'>().slice();
      requireFinite(logits);
      const cotangent = new Float32Array(logits.length);
      for (let row = 0; row < batch; row++) write(cotangent, logits, row);
      return tf.sum(tf.mul(z, tf.tensor2d(cotangent, [batch, model.classes])), 1);
    };
    const { losses, gradient } = inputGradient(objective, x);
    losses.dispose();
    return gradient.dataSync<'float32'>().slice();
  });
  return { logits, gradient };
}

/** Logits of `rows`, a forward pass only. Throws NonFiniteLogitsError. */
export function forwardLogits(model: Classifier, rows: Float32Array, batch: number): Float32Array {
  const logits = hostResult(() =>
    model
      .logits(tf.tensor4d(rows, [batch, ...model.inputShape]))
      .dataSync<'float32'>()
      .slice(),
  );
  requireFinite(logits);
  return logits;
}

/** Throws NonFiniteLogitsError where any logit is not a finite number. */
export function requireFinite(logits: Float32Array): void {
  for (const value of logits) if (!Number.isFinite(value)) throw new NonFiniteLogitsError();
}
