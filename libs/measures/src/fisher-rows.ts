import { norm } from '@percept/attacks';

/** What the Fisher quantities of one sample are made of: grad z_k per class, and the probabilities f. */
export interface FisherRows {
  readonly gradients: readonly Float32Array[];
  readonly f: Float64Array;
}

/**
 * Hoffman's estimate of ||F_f^(1/2) J||_F^2 along one unit vector v: K ||J_z^T s||^2 with s_k = v_k sqrt(f_k) - f_k sum_j v_j sqrt(f_j),
 * that is K ||sum_k v_k sqrt(f_k) (grad z_k - sum_j f_j grad z_j)||^2. Its mean over v uniform on the unit sphere is the exact value.
 */
export function projectedFimSquared(gradients: readonly Float32Array[], f: Float64Array, v: ArrayLike<number>): number {
  return projectedSquared(centredGradients(gradients, f), f, v);
}

/** The same from the centred rows, for many projections of one sample. */
export function projectedSquared(centred: readonly Float64Array[], f: Float64Array, v: ArrayLike<number>): number {
  const along = new Float64Array(centred[0]?.length ?? 0);
  for (const [k, row] of centred.entries()) {
    const weight = (v[k] as number) * Math.sqrt(f[k] as number);
    for (let i = 0; i < along.length; i++) along[i] = (along[i] as number) + weight * (row[i] as number);
  }
  return f.length * norm(along, 2) ** 2;
}

/** The rows grad z_k - sum_j f_j grad z_j. Differences are taken from the top class first, so that its own tiny row does not cancel where f saturates. */
export function centredGradients(gradients: readonly Float32Array[], f: Float64Array): Float64Array[] {
  const top = f.indexOf(Math.max(...f));
  const reference = gradients[top] as Float32Array;
  const rows = gradients.map((row) => Float64Array.from(row, (value, i) => value - (reference[i] as number)));
  const mean = new Float64Array(reference.length);
  for (const [k, row] of rows.entries()) {
    for (let i = 0; i < mean.length; i++) mean[i] = (mean[i] as number) + (f[k] as number) * (row[i] as number);
  }
  return rows.map((row) => row.map((value, i) => value - (mean[i] as number)));
}
