/** `count` views of equal length into `images`, one per image. */
export function splitRows(images: Float32Array, count: number): Float32Array[] {
  const length = images.length / Math.max(count, 1);
  return Array.from({ length: count }, (_, i) => images.subarray(i * length, (i + 1) * length));
}

/** A copy of all rows, one after the other; they must be of equal length. */
export function joinRows(rows: readonly Float32Array[]): Float32Array {
  const length = rows[0]?.length ?? 0;
  const joined = new Float32Array(rows.length * length);
  for (const [row, values] of rows.entries()) joined.set(values, row * length);
  return joined;
}
