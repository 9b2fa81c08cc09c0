/** The largest eigenvalue of a symmetric n x n matrix (row-major, float64), by cyclic Jacobi rotations to machine precision. The matrix is not changed. */
export function largestEigenvalue(matrix: Float64Array, n: number): number {
  const a = matrix.slice();
  const at = (i: number, j: number): number => a[i * n + j] as number;
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    let diagonal = 0;
    for (let i = 0; i < n; i++) {
      diagonal += at(i, i) ** 2;
      for (let j = i + 1; j < n; j++) off += at(i, j) ** 2;
    }
    if (off <= 1e-32 * diagonal) break;
    for (let p = 0; p < n - 1; p++) for (let q = p + 1; q < n; q++) rotate(a, n, p, q);
  }
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < n; i++) largest = Math.max(largest, at(i, i));
  return largest;
}

/** One rotation in the plane of rows p and q that makes their common entry zero. */
function rotate(a: Float64Array, n: number, p: number, q: number): void {
  const apq = a[p * n + q] as number;
  if (apq === 0) return;
  const theta = ((a[q * n + q] as number) - (a[p * n + p] as number)) / (2 * apq);
  const t = (theta >= 0 ? 1 : -1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const cosine = 1 / Math.sqrt(t * t + 1);
  const sine = t * cosine;
  for (let k = 0; k < n; k++) {
    const akp = a[k * n + p] as number;
    const akq = a[k * n + q] as number;
    a[k * n + p] = cosine * akp - sine * akq;
    a[k * n + q] = sine * akp + cosine * akq;
  }
  for (let k = 0; k < n; k++) {
    const apk = a[p * n + k] as number;
    const aqk = a[q * n + k] as number;
    a[p * n + k] = cosine * apk - sine * aqk;
    a[q * n + k] = sine * apk + cosine * aqk;
  }
}
