/** One checked quantity: its worst error against its tolerance. */
export type Comparison = {
  readonly name: string;
  readonly error: number;
  readonly tolerance: number;
};

/** Whether the error is within the tolerance; an error that is not a number is not. */
export function passes({ error, tolerance }: Comparison): boolean {
  return error <= tolerance;
}

/** The largest difference, relative to the largest expected value. */
export function relativeToLargest(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i] as number));
    const difference = Math.abs((actual[i] as number) - (expected[i] as number));
    if (!(difference <= worst)) worst = difference;
  }
  return largest === 0 ? worst : worst / largest;
}

/** The relative difference of two numbers. */
export function relative(actual: number, expected: number): number {
  return expected === 0 ? Math.abs(actual) : Math.abs(actual - expected) / Math.abs(expected);
}

/** The share of values that differ by more than `tolerance`. */
export function shareDiffering(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let differing = 0;
  for (let i = 0; i < expected.length; i++) {
    if (!(Math.abs((actual[i] as number) - (expected[i] as number)) <= tolerance)) differing++;
  }
  return differing / expected.length;
}
