/** Pairs of classes that a data set's readers know: the paper's bird to ship, and 3 to 8 for digits. */
const knownPairs = [
  ['bird', 'ship'],
  ['3', '8'],
] as const;

/** Source and target class of figure 1.1 for a data set of these classes; the first two classes where nothing is known. */
export function figurePair(classNames: readonly string[]): { source: number; target: number } {
  for (const [source, target] of knownPairs) {
    const pair = { source: classNames.indexOf(source), target: classNames.indexOf(target) };
    if (pair.source >= 0 && pair.target >= 0) return pair;
  }
  return { source: 0, target: 1 };
}
