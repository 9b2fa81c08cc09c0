import { LedgerMismatchError, type WitnessLedger } from './witness-ledger.js';

/** Two models on the same samples at one budget. */
export interface PairedComparison {
  /** The budget in pixel units. */
  readonly epsilon: number;
  readonly samples: number;
  /** Samples that only the first, or only the second model withstands. */
  readonly onlyFirst: number;
  readonly onlySecond: number;
  /** Robust accuracy of the first minus that of the second. */
  readonly difference: number;
  /** Two-sided p-value of McNemar's exact test that both are equally robust, in (0, 1]. */
  readonly pValue: number;
}

/**
 * Compares two ledgers of the same samples, norm and grid budget by budget, sample by sample: far sharper than two intervals side by side.
 * Throws LedgerMismatchError where norm, grid, sample ids or labels differ.
 */
export function comparePaired(first: WitnessLedger, second: WitnessLedger): PairedComparison[] {
  if (first.norm !== second.norm || first.grid.join() !== second.grid.join())
    throw new LedgerMismatchError('norm or grid differ');
  const samples = first.entries.length;
  const others = new Map(second.entries.map((entry) => [entry.id, entry]));
  if (others.size !== samples) throw new LedgerMismatchError('they are of different samples');
  const pairs = first.entries.map(({ id, label, witness }) => {
    const other = others.get(id);
    if (other === undefined || other.label !== label) throw new LedgerMismatchError(`sample ${id} differs`);
    return [witness?.budget ?? Number.POSITIVE_INFINITY, other.witness?.budget ?? Number.POSITIVE_INFINITY] as const;
  });
  return first.grid.map((epsilon, budget) => {
    const onlyFirst = pairs.filter(([a, b]) => a > budget && b <= budget).length;
    const onlySecond = pairs.filter(([a, b]) => a <= budget && b > budget).length;
    return {
      epsilon,
      samples,
      onlyFirst,
      onlySecond,
      difference: (onlyFirst - onlySecond) / samples,
      pValue: mcNemarExact(onlyFirst, onlySecond),
    };
  });
}

/** The two-sided exact p-value of McNemar's test (1947): `b` and `c` discordant pairs, each falling either way with probability 1/2 under the null. */
export function mcNemarExact(b: number, c: number): number {
  const n = b + c;
  let logTerm = -n * Math.LN2;
  let tail = Math.exp(logTerm);
  for (let k = 1; k <= Math.min(b, c); k++) {
    logTerm += Math.log((n - k + 1) / k);
    tail += Math.exp(logTerm);
  }
  return Math.min(1, 2 * tail);
}
