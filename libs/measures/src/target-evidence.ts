/**
 * How far the judge's logits speak for each class against all the others: m_a = z_a - log mean_{c != a} exp(z_c), in float64.
 * `logits` is one row; at least two classes.
 */
export function classMargins(logits: ArrayLike<number>): Float64Array {
  const z = Float64Array.from(logits);
  return z.map((own, a) => {
    let top = Number.NEGATIVE_INFINITY;
    for (const [c, value] of z.entries()) if (c !== a) top = Math.max(top, value);
    let sum = 0;
    for (const [c, value] of z.entries()) if (c !== a) sum += Math.exp(value - top);
    return own - top - Math.log(sum / (z.length - 1));
  });
}

/**
 * Independent target evidence of one picture for every class a: S_a = D_a - mean of D_a' over the K - 1 other classes, with D_a = m_a(picture) - m_a(start)
 * (Yang and Zhou, 2026, with all other classes in place of 16 drawn ones).
 *
 * `after` and `before` are a judge's logits of the picture and of the start it was made from. The S_a of one picture sum to zero, so that
 * a target drawn at random has none on average.
 */
export function targetEvidence(after: ArrayLike<number>, before: ArrayLike<number>): Float64Array {
  const start = classMargins(before);
  const gain = classMargins(after).map((margin, a) => margin - (start[a] as number));
  const total = gain.reduce((sum, value) => sum + value, 0);
  return gain.map((value) => value - (total - value) / (gain.length - 1));
}

/** The place of `target` among the logits, 0 for the largest; ties count against the target. */
export function rankOf(logits: ArrayLike<number>, target: number): number {
  const own = logits[target] as number;
  let rank = 0;
  for (let c = 0; c < logits.length; c++) if (c !== target && (logits[c] as number) >= own) rank++;
  return rank;
}
