import type { RandomStream } from '@percept/tensor';

const halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000] as const;

/** The share of the image that one proposal of the Square attack changes, by queries spent of 10,000 (Andriushchenko et al., 2020, section 4.1). */
export function changedShare(query: number): number {
  let share = 0.8;
  for (const limit of halvings) if (query > limit) share /= 2;
  return share;
}

/** Where a square window lies. */
export interface Corner {
  readonly row: number;
  readonly column: number;
}

/** A window of side `side` somewhere in an image of `height` x `width`, every place equally likely. */
export function randomCorner(side: number, height: number, width: number, stream: RandomStream): Corner {
  return { row: stream.nextInteger(height - side + 1), column: stream.nextInteger(width - side + 1) };
}

/** 1 or -1 with equal chances. */
export function randomSign(stream: RandomStream): number {
  return stream.nextUniform() < 0.5 ? -1 : 1;
}

/**
 * The bump of the l_2 and l_1 attacks on a window of side `side`: two half windows of opposite signs, each a sum of nested rectangles weighed 1 / n^decay
 * (decay 2 for l_2, 4 for l_1); row-major, of arbitrary length, lying along one axis or the other at random.
 */
export function bump(side: number, decay: number, stream: RandomStream): Float64Array {
  const values = new Float64Array(side * side);
  const half = side >> 1;
  addRectangles(values, side, 0, half, decay, 1);
  addRectangles(values, side, half, side - half, decay, -1);
  if (stream.nextUniform() < 0.5) return values;
  return Float64Array.from(values, (_, i) => values[(i % side) * side + Math.floor(i / side)] as number);
}

/** Adds nested rectangles around the centre of the `height` rows from `top`. */
function addRectangles(
  values: Float64Array,
  width: number,
  top: number,
  height: number,
  decay: number,
  sign: number,
): void {
  const centreRow = height >> 1;
  const centreColumn = width >> 1;
  const rings = Math.max(centreRow, centreColumn) + 1;
  for (let ring = 0; ring < rings; ring++) {
    const weight = sign / (ring + 1) ** decay;
    const lastRow = Math.min(centreRow + ring, height - 1);
    const lastColumn = Math.min(centreColumn + ring, width - 1);
    for (let row = Math.max(centreRow - ring, 0); row <= lastRow; row++) {
      for (let column = Math.max(centreColumn - ring, 0); column <= lastColumn; column++) {
        const at = (top + row) * width + column;
        values[at] = (values[at] as number) + weight;
      }
    }
  }
}
