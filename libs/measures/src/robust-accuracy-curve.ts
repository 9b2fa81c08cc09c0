import { type Proportion, wilsonInterval } from './wilson-interval.js';
import type { WitnessLedger } from './witness-ledger.js';

/** Robust accuracy at one budget: the share of all samples without a witness at or below it. */
export interface CurvePoint {
  /** The budget in pixel units. */
  readonly epsilon: number;
  readonly robust: number;
  readonly accuracy: Proportion;
}

/** The robust-accuracy curve of a ledger with at least one entry: never rising, and at budget 0 exactly the clean accuracy. */
export function robustAccuracyCurve(ledger: WitnessLedger): CurvePoint[] {
  const brokenAt = new Int32Array(ledger.grid.length);
  for (const { witness } of ledger.entries) {
    if (witness !== undefined) brokenAt[witness.budget] = (brokenAt[witness.budget] as number) + 1;
  }
  let robust = ledger.entries.length;
  return ledger.grid.map((epsilon, budget) => {
    robust -= brokenAt[budget] as number;
    return { epsilon, robust, accuracy: wilsonInterval(robust, ledger.entries.length) };
  });
}

/** Per class the number of samples and of those without a witness at or below the budget at position `budget` of the grid. */
export function robustPerClass(ledger: WitnessLedger, budget: number): { n: number; robust: number }[] {
  const counts = Array.from({ length: ledger.classes }, () => ({ n: 0, robust: 0 }));
  for (const { label, witness } of ledger.entries) {
    const count = counts[label];
    if (count === undefined) throw new RangeError(`no class ${label} among ${ledger.classes}`);
    count.n++;
    if (witness === undefined || witness.budget > budget) count.robust++;
  }
  return counts;
}
