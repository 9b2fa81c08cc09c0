import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Classifier } from '@percept/models';
import { inputGradient } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type BootstrapOptions, clusterBootstrap, type Estimate } from './cluster-bootstrap.js';
import { type Samples, selectSamples, valuesPerImage } from './samples.js';

/** Whether a model's gradients point where people would look: mean cosines, with intervals that resample the classes. */
export interface AlignedGradients {
  /** Cosine of the gradient of the label's logit with (mean image of the label - x). */
  readonly own: Estimate;
  /** The control: the same gradient against (mean image of another class - x), the mean over all the other classes. */
  readonly shuffled: Estimate;
  /** `own` minus `shuffled`, per sample. */
  readonly difference: Estimate;
}

/** How gradients are measured. */
export interface AlignedGradientsOptions extends BootstrapOptions {
  /** Measure the first so many samples; default all. Class means are over all samples. */
  readonly count?: number;
  /** Images per engine call at most; default 100. */
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

/**
 * Perceptually aligned gradients (Ganz et al., 2023, the class-mean form): cosine of grad_x z_y(x) with (mean image of class y - x), against the same with the other classes.
 *
 * A sample counts in its own class's mean, which lengthens (mean - x) and leaves its direction. A gradient or difference of length zero has cosine 0.
 * Throws RangeError for no samples or fewer than two classes among them, or the abort signal's reason.
 */
export async function alignedGradients(
  model: Classifier,
  samples: Samples,
  options: AlignedGradientsOptions,
): Promise<AlignedGradients> {
  const { batchSize = 100, signal } = options;
  const means = classMeans(samples, model.classes);
  const others = [...means.keys()];
  if (others.length < 2) throw new RangeError('aligned gradients need samples of at least two classes');
  const length = valuesPerImage(samples);
  const count = Math.min(options.count ?? samples.ids.length, samples.ids.length);
  const own = new Float64Array(count);
  const shuffled = new Float64Array(count);
  for (let first = 0; first < count; first += batchSize) {
    await yieldToEventLoop();
    signal?.throwIfAborted();
    const positions = Array.from({ length: Math.min(batchSize, count - first) }, (_, i) => first + i);
    const batch = selectSamples(samples, positions);
    const gradients = labelGradients(model, batch);
    for (const [row, position] of positions.entries()) {
      const image = batch.images.subarray(row * length, (row + 1) * length);
      const gradient = gradients.subarray(row * length, (row + 1) * length);
      for (const [label, mean] of means) {
        const cosine = cosineTowards(gradient, mean, image);
        if (label === samples.labels[position]) own[position] = cosine;
        else shuffled[position] = (shuffled[position] as number) + cosine / (others.length - 1);
      }
    }
  }
  const clusters = samples.labels.subarray(0, count);
  return {
    own: clusterBootstrap(own, clusters, options),
    shuffled: clusterBootstrap(shuffled, clusters, options),
    difference: clusterBootstrap(
      own.map((cosine, i) => cosine - (shuffled[i] as number)),
      clusters,
      options,
    ),
  };
}

/** The mean image of every class that has samples. */
function classMeans({ images, labels }: Samples, classes: number): Map<number, Float64Array> {
  const length = labels.length === 0 ? 0 : images.length / labels.length;
  const means = new Map<number, Float64Array>();
  for (let label = 0; label < classes; label++) {
    const rows = [...labels.keys()].filter((i) => labels[i] === label);
    if (rows.length === 0) continue;
    const mean = new Float64Array(length);
    for (const row of rows)
      for (let i = 0; i < length; i++)
        mean[i] = (mean[i] as number) + (images[row * length + i] as number) / rows.length;
    means.set(label, mean);
  }
  return means;
}

/** grad_x z_y of every sample, flattened. */
function labelGradients(model: Classifier, { images, labels }: Samples): Float32Array {
  return tf.tidy(() => {
    const chosen = tf.oneHot(tf.tensor1d(labels, 'int32'), model.classes);
    const logitOfLabel = (input: tf.Tensor4D): tf.Tensor1D =>
      tf.sum(tf.mul(model.logits(input), tf.cast(chosen, 'float32')), 1);
    const { losses, gradient } = inputGradient(logitOfLabel, tf.tensor4d(images, [labels.length, ...model.inputShape]));
    losses.dispose();
    return Float32Array.from(gradient.dataSync());
  });
}

function cosineTowards(gradient: Float32Array, mean: Float64Array, image: Float32Array): number {
  let product = 0;
  let gradientSquared = 0;
  let waySquared = 0;
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i] as number;
    const way = (mean[i] as number) - (image[i] as number);
    product += g * way;
    gradientSquared += g * g;
    waySquared += way * way;
  }
  const scale = Math.sqrt(gradientSquared) * Math.sqrt(waySquared);
  return scale > 0 ? product / scale : 0;
}
