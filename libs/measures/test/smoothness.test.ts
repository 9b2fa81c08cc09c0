import { norm } from '@percept/attacks';
import { selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  projectedFimSquared,
  type SampleSmoothness,
  sampleSmoothness,
  smoothness,
  smoothnessEstimates,
  softmax,
} from '../src/index.js';
import { largestEigenvalue } from '../src/symmetric-eigenvalue.js';
import { seededNumbers, seededSamples, smallClassifier } from './small-classifiers.js';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

/** F_f^(1/2) J and J from the Jacobian of softmax itself, dividing by f: the definitions, in float64. */
function byDefinition(gradients: readonly Float32Array[], f: Float64Array): { fim: number[][]; jacobian: number[][] } {
  const length = gradients[0]?.length ?? 0;
  const jacobian = gradients.map((_, k) =>
    Array.from({ length }, (_, i) => {
      const mean = gradients.reduce((sum, row, j) => sum + (f[j] as number) * (row[i] as number), 0);
      return (f[k] as number) * ((gradients[k]?.[i] as number) - mean);
    }),
  );
  return { jacobian, fim: jacobian.map((row, k) => row.map((value) => value / Math.sqrt(f[k] as number))) };
}

/** The largest eigenvalue of A^T A by power iteration in pixel space. */
function powerIteration(rows: readonly number[][]): number {
  let v = Array.from(rows[0] as number[], (_, i) => 1 + Math.sin(i));
  let value = 0;
  for (let round = 0; round < 3000; round++) {
    const projected = rows.map((row) => row.reduce((sum, entry, i) => sum + entry * (v[i] as number), 0));
    v = v.map((_, i) => rows.reduce((sum, row, k) => sum + (row[i] as number) * (projected[k] as number), 0));
    value = norm(v, 2);
    v = v.map((entry) => entry / value);
  }
  return value;
}

describe('smoothness', () => {
  const classes = 5;
  const gradients = Array.from({ length: classes }, (_, k) => seededNumbers(20 + k, 12));
  const f = softmax(Float32Array.of(1, 0.2, -1, 2, 0), 0, classes);
  const measured = sampleSmoothness(gradients, f, 1, Number.POSITIVE_INFINITY);

  it('agrees with the definitions computed from the Jacobian of softmax', () => {
    const { fim, jacobian } = byDefinition(gradients, f);
    const square = (rows: number[][]): number => rows.flat().reduce((sum, value) => sum + value * value, 0);
    expect(measured.fimFrobeniusSquared).toBeCloseTo(square(fim), 10);
    expect(measured.jacobianFrobeniusSquared).toBeCloseTo(square(jacobian), 10);
    expect(measured.fimTwoInfinitySquared).toBeCloseTo(Math.max(...fim.map((row) => norm(row, 2) ** 2)), 10);
    expect(measured.fimLargestEigenvalue).toBeCloseTo(powerIteration(fim), 8);
    expect(measured.jacobianSpectralNorm ** 2).toBeCloseTo(powerIteration(jacobian), 8);
    const lossGradient = (jacobian[1] as number[]).map((value) => -value / (f[1] as number));
    expect(measured.lossGradientDualNorm).toBeCloseTo(norm(lossGradient, 1), 10);
  });

  it('averages the projected estimate over an orthonormal basis to the exact value', () => {
    let mean = 0;
    for (let k = 0; k < classes; k++) {
      mean +=
        projectedFimSquared(
          gradients,
          f,
          Array.from({ length: classes }, (_, j) => Number(j === k)),
        ) / classes;
    }
    expect(mean).toBeCloseTo(measured.fimFrobeniusSquared, 10);
  });

  it('estimates what it measures exactly: the projections within 5 standard errors of their known variance, the eigenvalue to 1e-6', () => {
    const { fim } = byDefinition(gradients, f);
    const gram = fim.map((a) => fim.map((b) => a.reduce((sum, value, i) => sum + value * (b[i] as number), 0)));
    const square = gram.flat().reduce((sum, value) => sum + value * value, 0);
    // K v^T G v with v uniform on the sphere has variance 2 K / (K + 2) (|G|_F^2 - tr(G)^2 / K).
    const variance = ((2 * classes) / (classes + 2)) * (square - measured.fimFrobeniusSquared ** 2 / classes);
    for (const projections of [10, 100, 1_000, 10_000]) {
      const found = smoothnessEstimates({ gradients, f }, { projections, seed: 3, sampleId: 1, iterations: 500 });
      const apart = Math.abs(found.fimFrobeniusSquared - measured.fimFrobeniusSquared);
      expect(apart).toBeLessThan(5 * Math.sqrt(variance / projections));
      expect(found.fimLargestEigenvalue / measured.fimLargestEigenvalue).toBeCloseTo(1, 6);
    }
  });

  it('sets its estimates beside the exact means, the same for the same seed however samples are batched', async () => {
    const model = smallClassifier(3, [4, 4, 1], 4);
    const samples = seededSamples(8, 10, [4, 4, 1], new Int32Array(10));
    const found = await smoothness(model, samples, { projections: 200, seed: 5, batchSize: 10 });
    const { mean, estimates } = found;
    expect(estimates?.relativeError.fimLargestEigenvalue).toBeLessThan(1e-3);
    expect(estimates?.relativeError.fimFrobeniusSquared).toBeLessThan(0.1);
    expect(estimates?.relativeError.fimFrobeniusSquared).toBeCloseTo(
      Math.abs((estimates?.mean.fimFrobeniusSquared ?? 0) / mean.fimFrobeniusSquared - 1),
      12,
    );
    expect((await smoothness(model, samples, { projections: 200, seed: 5, batchSize: 3 })).estimates?.mean).toEqual(
      estimates?.mean,
    );
  });

  it('keeps the lemma’s chain where one class has saturated beyond float32', async () => {
    const sharp = smallClassifier(3, [4, 4, 1], 4, 40);
    const result = await smoothness(sharp, seededSamples(8, 10, [4, 4, 1], new Int32Array(10)));
    expect(Math.max(...result.samples.map((sample: SampleSmoothness) => sample.fimLargestEigenvalue))).toBeGreaterThan(
      0,
    );
    expect(result.lemma.holds).toBe(true);
  });

  it('measures through the model what finite differences of its loss say', async () => {
    const shape = [3, 3, 1] as const;
    const model = smallClassifier(12, shape, 3);
    const samples = seededSamples(4, 6, shape, Int32Array.of(0, 1, 2, 0, 1, 2));
    const { samples: rows } = await smoothness(model, samples, { norm: 2, batchSize: 4 });
    const loss = (images: Float32Array, label: number): number =>
      tf.tidy(
        () =>
          -Math.log(
            softmax(Float32Array.from(model.logits(tf.tensor4d(images, [1, ...shape])).dataSync()), 0, 3)[
              label
            ] as number,
          ),
      );
    for (const [i, row] of rows.entries()) {
      const image = samples.images.slice(i * 9, (i + 1) * 9);
      const gradient = Array.from(image, (_, at) => {
        const shifted = (h: number): Float32Array => image.map((value, j) => (j === at ? value + h : value));
        const label = samples.labels[i] as number;
        return (loss(shifted(1e-3), label) - loss(shifted(-1e-3), label)) / 2e-3;
      });
      expect(Math.abs(row.lossGradientDualNorm - norm(gradient, 2))).toBeLessThan(2e-2 * (0.1 + norm(gradient, 2)));
    }
  });
});

describe('largestEigenvalue', () => {
  it('is the largest eigenvalue of Q diag(d) Q^T for a reflection Q', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -5, max: 5, noNaN: true }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.double({ min: 0.1, max: 1, noNaN: true }), { minLength: 8, maxLength: 8 }),
        (d, direction) => {
          const n = d.length;
          const u = direction.slice(0, n).map((value) => value / norm(direction.slice(0, n), 2));
          const q = (i: number, j: number): number => Number(i === j) - 2 * (u[i] as number) * (u[j] as number);
          const matrix = Float64Array.from({ length: n * n }, (_, at) => {
            const [i, j] = [Math.floor(at / n), at % n];
            return d.reduce((sum, value, k) => sum + q(i, k) * value * q(j, k), 0);
          });
          expect(largestEigenvalue(matrix, n)).toBeCloseTo(Math.max(...d), 10);
        },
      ),
      { seed: 8, numRuns: 200 },
    );
  });
});
