import type { Box } from './box.js';

/**
 * The step that maximises <u, gradient> over ||u||_1 <= size with point + u inside the box: coordinates are filled to the box's edge in order of |g|.
 *
 * Appendix E's step for p = 1 moves one coordinate and freezes once that coordinate reaches the box; this one goes on with the next.
 * `point` lies in the box; `size` is in pixel units. Ties go to the lowest index; entries that are not finite count as 0.
 * Returns the step, all zeros where the gradient is zero or every coordinate already rests against the box.
 */
export function boxAwareL1Step(point: Float32Array, gradient: Float32Array, size: number, box: Box): Float32Array {
  const step = new Float32Array(point.length);
  const movable: number[] = [];
  for (let i = 0; i < point.length; i++) if (roomAlong(point, gradient, i, box) > 0) movable.push(i);
  movable.sort((a, b) => Math.abs(gradient[b] as number) - Math.abs(gradient[a] as number) || a - b);
  let remaining = size;
  for (const i of movable) {
    const move = Math.min(remaining, roomAlong(point, gradient, i, box));
    step[i] = Math.sign(gradient[i] as number) * move;
    remaining -= move;
    if (remaining <= 0) break;
  }
  return step;
}

function roomAlong(point: Float32Array, gradient: Float32Array, i: number, box: Box): number {
  const g = gradient[i] as number;
  if (g === 0 || !Number.isFinite(g)) return 0;
  return g > 0 ? box.upper - (point[i] as number) : (point[i] as number) - box.lower;
}
