import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { createStepper, distance, forwardLogits, resolvePgdOptions, startOf, stepLength } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { hostResult, inputGradient } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Samples, valuesPerImage } from './samples.js';

/** How the search for the steepest chord goes. */
export interface LocalLipschitzOptions {
  /** The norm's p of the neighbourhood, in [1, Infinity]. */
  readonly norm: number;
  /** Radius of the neighbourhood in pixel units, positive and finite. */
  readonly epsilon: number;
  /** Gradient steps of 0.1 epsilon; default 10. */
  readonly steps?: number;
  readonly seed: number;
  /** Images per engine call at most; default 64. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

/**
 * A lower bound on each sample's local Lipschitz constant, max over x' in the ball and box of ||z(x) - z(x')||_1 / ||x - x'||_p with z the logits
 * (Yang et al., 2020), by projected gradient ascent from a uniform start; the largest quotient of all iterates counts.
 * Throws RangeError for a budget that is not positive and finite, or the abort signal's reason.
 */
export async function localLipschitz(
  model: Classifier,
  samples: Samples,
  options: LocalLipschitzOptions,
): Promise<Float64Array> {
  const { epsilon, steps = 10, batchSize = 64, signal, norm, seed } = options;
  if (!(epsilon > 0 && epsilon < Number.POSITIVE_INFINITY))
    throw new RangeError(`no neighbourhood of radius ${epsilon}`);
  const length = valuesPerImage(samples);
  const count = samples.ids.length;
  const pgdOptions = resolvePgdOptions({ norm, epsilon, seed, step: { kind: 'relative', size: 0.1 } });
  const largest = new Float64Array(count);
  for (let first = 0; first < count; first += batchSize) {
    const batch = Math.min(batchSize, count - first);
    const centres = Array.from({ length: batch }, (_, row) =>
      samples.images.slice((first + row) * length, (first + row + 1) * length),
    );
    const clean = forwardLogits(model, join(centres), batch);
    const steppers = centres.map((centre) =>
      createStepper(centre, epsilon, stepLength(pgdOptions.step, epsilon), pgdOptions),
    );
    let iterates = centres.map((centre, row) =>
      startOf(centre, row, samples.ids[first + row] as number, 0, epsilon, pgdOptions),
    );
    for (let step = 0; step <= steps; step++) {
      await yieldToEventLoop();
      signal?.throwIfAborted();
      const { logits, gradient } = chordGradient(model, join(iterates), clean, batch);
      for (let row = 0; row < batch; row++) {
        const reach = distance(iterates[row] as Float32Array, centres[row] as Float32Array, norm);
        const at = row * model.classes;
        const change = distance(logits.subarray(at, at + model.classes), clean.subarray(at, at + model.classes), 1);
        if (reach > 0) largest[first + row] = Math.max(largest[first + row] as number, change / reach);
      }
      iterates = iterates.map(
        (iterate, row) =>
          (steppers[row] as (typeof steppers)[number])(iterate, gradient.subarray(row * length, (row + 1) * length))
            .next,
      );
    }
  }
  return largest;
}

/** Logits at `rows`, and the gradient of ||z - clean||_1 there. */
function chordGradient(
  model: Classifier,
  rows: Float32Array,
  clean: Float32Array,
  batch: number,
): { logits: Float32Array; gradient: Float32Array } {
  return hostResult(() => {
    let logits = new Float32Array(0);
    const reference = tf.tensor2d(clean, [batch, model.classes]);
    const change = (images: tf.Tensor4D): tf.Tensor1D => {
      const z = model.logits(images);
      logits = z.dataSync<'float32'>().slice();
      const sign = tf.sign(tf.sub(tf.tensor2d(logits, [batch, model.classes]), reference));
      return tf.sum(tf.mul(tf.sub(z, reference), sign), 1);
    };
    const { losses, gradient } = inputGradient(change, tf.tensor4d(rows, [batch, ...model.inputShape]));
    losses.dispose();
    return { logits, gradient: Float32Array.from(gradient.dataSync()) };
  });
}

function join(rows: readonly Float32Array[]): Float32Array {
  const length = rows[0]?.length ?? 0;
  const joined = new Float32Array(rows.length * length);
  for (const [row, values] of rows.entries()) joined.set(values, row * length);
  return joined;
}
