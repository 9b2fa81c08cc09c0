import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import { dualExponent, norm } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { centredGradients } from './fisher-rows.js';
import { checkLemma, type LemmaCheck } from './lemma-c1.js';
import { logitJacobian } from './logit-jacobian.js';
import { type Samples, valuesPerImage } from './samples.js';
import { type SmoothnessEstimates, smoothnessEstimates } from './smoothness-estimates.js';
import { largestEigenvalue } from './symmetric-eigenvalue.js';

/** The paper's smoothness quantities of one sample, all in pixel units. J is the Jacobian of f = softmax(z), F_f = diag(1 / f). */
export interface SampleSmoothness {
  /** ||grad_x CE(f(x), y)||_q with q dual to the threat's norm (Eq. 3.1). */
  readonly lossGradientDualNorm: number;
  /** ||F_f^(1/2) J||_F^2 (Eq. 3.6). */
  readonly fimFrobeniusSquared: number;
  /** lambda_max(F_x), the largest eigenvalue of the Fisher information J^T F_f J (Eq. B.2). */
  readonly fimLargestEigenvalue: number;
  /** ||J^T F_f^(1/2)||_{2,inf}^2, the largest squared length of a row of F_f^(1/2) J (Eq. C.1). */
  readonly fimTwoInfinitySquared: number;
  readonly jacobianFrobeniusSquared: number;
  /** The spectral norm ||J||_2. */
  readonly jacobianSpectralNorm: number;
}

/** Smoothness of a model on samples. */
export interface Smoothness {
  readonly samples: readonly SampleSmoothness[];
  readonly mean: SampleSmoothness;
  readonly lemma: LemmaCheck;
  /** Matrix-free estimates beside the exact values, where they were asked for. */
  readonly estimates?: {
    readonly samples: readonly SmoothnessEstimates[];
    readonly mean: SmoothnessEstimates;
    /** |estimate - exact| / exact of the means. */
    readonly relativeError: SmoothnessEstimates;
    readonly projections: number;
  };
}

/** How a caller sets, follows and stops the measurement. */
export interface SmoothnessOptions {
  /** The threat's norm p in [1, Infinity]; default Infinity. */
  readonly norm?: number;
  /** Images per engine call at most; default 64. */
  readonly batchSize?: number;
  /** Also estimate the Fisher quantities, with so many random projections per sample. */
  readonly projections?: number;
  /** Seed of the projections; default 0. */
  readonly seed?: number;
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/**
 * Measures the paper's smoothness quantities exactly, from the logits' Jacobian (one backward pass per class and batch) in float64.
 *
 * Rows of F_f^(1/2) J are sqrt(f_k) (grad z_k - sum_j f_j grad z_j): nothing is divided by f. Spectra come from their K x K Gram matrix,
 * which shares its non-zero eigenvalues with F_x. Throws the abort signal's reason.
 */
export async function smoothness(
  model: Classifier,
  samples: Samples,
  options: SmoothnessOptions = {},
): Promise<Smoothness> {
  const { norm: p = Number.POSITIVE_INFINITY, batchSize = 64, projections = 0, seed = 0, signal } = options;
  const length = valuesPerImage(samples);
  const count = samples.ids.length;
  const measured: SampleSmoothness[] = [];
  const estimated: SmoothnessEstimates[] = [];
  for (let first = 0; first < count; first += batchSize) {
    await yieldToEventLoop();
    signal?.throwIfAborted();
    const batch = Math.min(batchSize, count - first);
    const images = samples.images.slice(first * length, (first + batch) * length);
    const { logits, rows } = logitJacobian(model, images, batch);
    for (let row = 0; row < batch; row++) {
      const gradients = rows.map((values) => values.subarray(row * length, (row + 1) * length));
      const f = softmax(logits, row * model.classes, model.classes);
      measured.push(sampleSmoothness(gradients, f, samples.labels[first + row] as number, p));
      if (projections === 0) continue;
      const sampleId = samples.ids[first + row] as number;
      estimated.push(smoothnessEstimates({ gradients, f }, { projections, seed, sampleId }));
    }
    options.onProgress?.(first + batch, count);
  }
  const mean = meanOf(measured);
  return {
    samples: measured,
    mean,
    lemma: checkLemma(measured),
    ...(projections === 0 ? {} : { estimates: compareEstimates(estimated, mean, projections) }),
  };
}

function compareEstimates(
  samples: readonly SmoothnessEstimates[],
  exact: SampleSmoothness,
  projections: number,
): NonNullable<Smoothness['estimates']> {
  const means = (part: (sample: SmoothnessEstimates) => number): number =>
    samples.reduce((sum, sample) => sum + part(sample), 0) / samples.length;
  const mean: SmoothnessEstimates = {
    fimFrobeniusSquared: means((sample) => sample.fimFrobeniusSquared),
    fimLargestEigenvalue: means((sample) => sample.fimLargestEigenvalue),
  };
  const apart = (key: keyof SmoothnessEstimates): number =>
    exact[key] > 0 ? Math.abs(mean[key] - exact[key]) / exact[key] : mean[key];
  return {
    samples,
    mean,
    relativeError: {
      fimFrobeniusSquared: apart('fimFrobeniusSquared'),
      fimLargestEigenvalue: apart('fimLargestEigenvalue'),
    },
    projections,
  };
}

/** Smoothness of one image from its logit gradients (one per class), its probabilities and its label. `p` is the threat's norm. */
export function sampleSmoothness(
  gradients: readonly Float32Array[],
  f: Float64Array,
  label: number,
  p: number,
): SampleSmoothness {
  const classes = f.length;
  const centred = centredGradients(gradients, f);
  const gram = gramMatrix(centred);
  const fim = scaledGram(gram, f, (fk) => Math.sqrt(fk));
  const jacobian = scaledGram(gram, f, (fk) => fk);
  const diagonal = Array.from({ length: classes }, (_, k) => fim[k * classes + k] as number);
  return {
    // grad CE = sum_j f_j grad z_j - grad z_y, minus the label's centred row.
    lossGradientDualNorm: norm(centred[label] as Float64Array, dualExponent(p)),
    fimFrobeniusSquared: trace(fim, classes),
    fimLargestEigenvalue: largestEigenvalue(fim, classes),
    fimTwoInfinitySquared: Math.max(...diagonal),
    jacobianFrobeniusSquared: trace(jacobian, classes),
    jacobianSpectralNorm: Math.sqrt(Math.max(0, largestEigenvalue(jacobian, classes))),
  };
}

/** The probabilities of the row of `classes` logits at `offset`, in float64. */
export function softmax(logits: Float32Array, offset: number, classes: number): Float64Array {
  const row = Float64Array.from(logits.subarray(offset, offset + classes));
  const top = Math.max(...row);
  const exponentials = row.map((z) => Math.exp(z - top));
  const sum = exponentials.reduce((total, value) => total + value, 0);
  return exponentials.map((value) => value / sum);
}

function gramMatrix(rows: readonly Float64Array[]): Float64Array {
  const n = rows.length;
  const gram = new Float64Array(n * n);
  for (let k = 0; k < n; k++) {
    const a = rows[k] as Float64Array;
    for (let j = k; j < n; j++) {
      const b = rows[j] as Float64Array;
      let sum = 0;
      for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
      gram[k * n + j] = sum;
      gram[j * n + k] = sum;
    }
  }
  return gram;
}

function scaledGram(gram: Float64Array, f: Float64Array, scale: (fk: number) => number): Float64Array {
  const n = f.length;
  return gram.map((value, at) => value * scale(f[Math.floor(at / n)] as number) * scale(f[at % n] as number));
}

function trace(matrix: Float64Array, n: number): number {
  let sum = 0;
  for (let i = 0; i < n; i++) sum += matrix[i * n + i] as number;
  return sum;
}

function meanOf(samples: readonly SampleSmoothness[]): SampleSmoothness {
  const mean = (part: (sample: SampleSmoothness) => number): number =>
    samples.reduce((sum, sample) => sum + part(sample), 0) / samples.length;
  return {
    lossGradientDualNorm: mean((sample) => sample.lossGradientDualNorm),
    fimFrobeniusSquared: mean((sample) => sample.fimFrobeniusSquared),
    fimLargestEigenvalue: mean((sample) => sample.fimLargestEigenvalue),
    fimTwoInfinitySquared: mean((sample) => sample.fimTwoInfinitySquared),
    jacobianFrobeniusSquared: mean((sample) => sample.jacobianFrobeniusSquared),
    jacobianSpectralNorm: mean((sample) => sample.jacobianSpectralNorm),
  };
}
