/** A share in [0, 1] as a percentage with one digit. */
export function percent(share: number): string {
  return `${(share * 100).toFixed(1)}\u00a0%`;
}

/** A number with three significant digits; very small and very large ones with an exponent. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size !== 0 && (size < 1e-3 || size >= 1e5) ? value.toExponential(2) : String(Number(value.toPrecision(3)));
}

/** Whether a grid is made of 255ths, and not of hundredths that happen to be some. */
export function gridIn255(grid: readonly number[]): boolean {
  const wholes = (scale: number): boolean =>
    grid.every((epsilon) => Math.abs(epsilon * scale - Math.round(epsilon * scale)) < 1e-6);
  return wholes(255) && !wholes(100);
}

/** A budget in pixel units, in 255ths where its grid is made of them. */
export function budgetText(epsilon: number, grid: readonly number[]): string {
  return gridIn255(grid) ? `${Number((epsilon * 255).toFixed(2))}/255` : String(Number(epsilon.toFixed(4)));
}
