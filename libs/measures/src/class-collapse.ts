/** How a classifier spreads its predictions over the classes. */
export interface ClassCollapse {
  /** Shannon entropy of the predicted classes in nats. */
  readonly entropy: number;
  /** Entropy relative to that of the true labels, or to log(classes) where no labels are given; 1 is an even spread. */
  readonly relativeEntropy: number;
  readonly topClass: number;
  /** Share of predictions that fall on the top class, in [0, 1]. */
  readonly topShare: number;
  /** True where the relative entropy is below 0.5: such a curve says nothing about robustness. */
  readonly collapsed: boolean;
}

/** The relative entropy below which predictions count as collapsed. */
export const collapseThreshold = 0.5;

/**
 * Whether a classifier predicts (almost) one class whatever it is shown, as TRADES with beta 10,000 does: its robust accuracy is then
 * the share of that class and means nothing. `predictions` and `labels` lie in [0, classes); there must be at least one prediction.
 */
export function classCollapse(predictions: Int32Array, classes: number, labels?: Int32Array): ClassCollapse {
  if (predictions.length === 0) throw new RangeError('no predictions to judge');
  const shares = classShares(predictions, classes);
  const topClass = shares.indexOf(Math.max(...shares));
  const entropy = entropyOf(shares);
  const reference = labels === undefined ? Math.log(classes) : entropyOf(classShares(labels, classes));
  const relativeEntropy = reference > 0 ? entropy / reference : 1;
  return {
    entropy,
    relativeEntropy,
    topClass,
    topShare: shares[topClass] as number,
    collapsed: relativeEntropy < collapseThreshold,
  };
}

function classShares(values: Int32Array, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const value of values) {
    if (!(value >= 0 && value < classes)) throw new RangeError(`no class ${value} among ${classes}`);
    counts[value] = (counts[value] as number) + 1;
  }
  return counts.map((count) => count / values.length);
}

function entropyOf(shares: readonly number[]): number {
  return -shares.reduce((sum, share) => (share > 0 ? sum + share * Math.log(share) : sum), 0);
}
