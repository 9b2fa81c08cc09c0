import { norm } from '@percept/attacks';
import { RandomStream, unitSphereVector } from '@percept/tensor';
import { centredGradients, type FisherRows, projectedSquared } from './fisher-rows.js';

/** What matrix-free estimates say of one sample, for comparison with the exact values. */
export interface SmoothnessEstimates {
  /** Mean of the projected ||F_f^(1/2) J||_F^2 over the random projections (Hoffman et al., 2019, Algorithm 1). */
  readonly fimFrobeniusSquared: number;
  /** lambda_max(F_x) by power iteration in pixel space. */
  readonly fimLargestEigenvalue: number;
}

/** How estimates are made. */
export interface EstimateOptions {
  /** Random projections, at least 1. */
  readonly projections: number;
  readonly seed: number;
  readonly sampleId: number;
  /** Steps of the power iteration at most, which ends once the eigenvalue moves by less than 1e-9 of itself; default 50. */
  readonly iterations?: number;
}

/** Estimates one sample's Fisher quantities as one has to where the Jacobian is too large to hold; a pure function of its arguments. */
export function smoothnessEstimates(
  { gradients, f }: FisherRows,
  { projections, seed, sampleId, iterations = 50 }: EstimateOptions,
): SmoothnessEstimates {
  const centred = centredGradients(gradients, f);
  let sum = 0;
  for (let projection = 0; projection < projections; projection++) {
    const v = unitSphereVector({ seed, purpose: 'fisher projection', sample: sampleId, step: projection }, f.length);
    sum += projectedSquared(centred, f, v);
  }
  return {
    fimFrobeniusSquared: sum / projections,
    fimLargestEigenvalue: powerIteration({ gradients, f }, seed, sampleId, iterations),
  };
}

/**
 * v <- J^T F_f J v, normalised, from a random start: the quotient |J^T F_f J v| rises to the largest eigenvalue.
 * The product is taken as sum_k f_k c_k (c_k . v) with c_k = grad z_k - sum_j f_j grad z_j, without dividing by f.
 */
function powerIteration({ gradients, f }: FisherRows, seed: number, sampleId: number, iterations: number): number {
  const length = gradients[0]?.length ?? 0;
  const stream = new RandomStream({ seed, purpose: 'power iteration', sample: sampleId });
  let v = Float64Array.from({ length }, () => stream.nextNormal());
  let eigenvalue = 0;
  for (let iteration = 0; iteration < iterations; iteration++) {
    const scale = norm(v, 2);
    if (scale === 0) return 0;
    v = v.map((value) => value / scale);
    v = fisherProduct(gradients, f, v);
    const next = norm(v, 2);
    const moved = Math.abs(next - eigenvalue);
    eigenvalue = next;
    if (moved <= 1e-9 * next) break;
  }
  return eigenvalue;
}

function fisherProduct(
  gradients: readonly Float32Array[],
  f: Float64Array,
  v: Float64Array,
): Float64Array<ArrayBuffer> {
  const along = gradients.map((row) => {
    let sum = 0;
    for (let i = 0; i < v.length; i++) sum += (row[i] as number) * (v[i] as number);
    return sum;
  });
  const mean = along.reduce((sum, value, k) => sum + value * (f[k] as number), 0);
  const product = new Float64Array(v.length);
  // sum_k f_k (a_k - mean) c_k = sum_k f_k (a_k - mean) grad z_k, since the weights sum to zero.
  for (const [k, row] of gradients.entries()) {
    const weight = (f[k] as number) * ((along[k] as number) - mean);
    for (let i = 0; i < product.length; i++) product[i] = (product[i] as number) + weight * (row[i] as number);
  }
  return product;
}
