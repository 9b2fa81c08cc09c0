import type { SampleSmoothness } from './smoothness.js';

/** Lemma C.1 as a self-check: 2,inf^2 <= lambda_max <= Frobenius^2, and ||F_f^(1/2) J||_F >= ||J||_F. */
export interface LemmaCheck {
  readonly holds: boolean;
  /** The largest relative excess of a left side over its right side; at most 1e-4 where the chain holds. */
  readonly worstExcess: number;
}

/** The relative tolerance of Lemma C.1's self-check. */
export const lemmaTolerance = 1e-4;

/** Checks Lemma C.1 on every sample, to `lemmaTolerance` of the right side. */
export function checkLemma(samples: readonly SampleSmoothness[]): LemmaCheck {
  let worstExcess = Number.NEGATIVE_INFINITY;
  const atMost = (left: number, right: number): void => {
    const excess = right > 0 ? left / right - 1 : left > 0 ? Number.POSITIVE_INFINITY : 0;
    worstExcess = Math.max(worstExcess, excess);
  };
  for (const sample of samples) {
    atMost(sample.fimTwoInfinitySquared, sample.fimLargestEigenvalue);
    atMost(sample.fimLargestEigenvalue, sample.fimFrobeniusSquared);
    atMost(sample.jacobianFrobeniusSquared, sample.fimFrobeniusSquared);
  }
  return { holds: worstExcess <= lemmaTolerance, worstExcess };
}
