/** Cohen's kappa (1960) of two raters' categories of the same items, in item order. 1 where both name one and the same category throughout. */
export function cohenKappa(first: readonly number[], second: readonly number[]): number {
  if (first.length === 0 || first.length !== second.length)
    throw new RangeError(`no agreement of ${first.length} and ${second.length} answers`);
  const n = first.length;
  const observed = first.filter((category, i) => category === second[i]).length / n;
  let expected = 0;
  for (const category of new Set(first)) {
    const share = (answers: readonly number[]): number => answers.filter((other) => other === category).length / n;
    expected += share(first) * share(second);
  }
  return beyondChance(observed, expected);
}

/**
 * Fleiss' kappa (1971): `counts[item][category]` raters put the item there. Every item needs the same number of raters, at least two.
 * 1 where all raters name one and the same category throughout.
 */
export function fleissKappa(counts: readonly (readonly number[])[]): number {
  const sum = (row: readonly number[]): number => row.reduce((total, count) => total + count, 0);
  const raters = sum(counts[0] ?? []);
  if (raters < 2 || counts.some((row) => sum(row) !== raters))
    throw new RangeError('every item needs the same number of raters, at least two');
  const pairs = (row: readonly number[]): number =>
    (row.reduce((total, count) => total + count * count, 0) - raters) / (raters * (raters - 1));
  const observed = counts.reduce((total, row) => total + pairs(row), 0) / counts.length;
  const categories = counts[0]?.length ?? 0;
  let expected = 0;
  for (let category = 0; category < categories; category++) {
    const share = counts.reduce((total, row) => total + (row[category] as number), 0) / (counts.length * raters);
    expected += share * share;
  }
  return beyondChance(observed, expected);
}

function beyondChance(observed: number, expected: number): number {
  return expected === 1 ? 1 : (observed - expected) / (1 - expected);
}
