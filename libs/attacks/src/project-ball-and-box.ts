import { type Box, unboundedBox } from './box.js';
import { roundTowardCentre } from './float32-toward.js';
import { norm } from './norms.js';

/** How an iterate returns to the constraint set: the exact Euclidean projection on ball and box together, or on the ball and then on the box. */
export type Projection = 'exact' | 'sequential';

/**
 * The Euclidean projection of `point` on the intersection of the l_p ball of radius `epsilon` around `centre` with the box (Eq. 2.3's set B_epsilon).
 *
 * All rows are flattened float32 images of equal length; `centre` must lie in the box; `epsilon` in [0, Infinity], `p` in [1, Infinity].
 * `exact` solves the 1-D dual by bisection (closed form for p = Infinity); `sequential` projects on the ball, then clamps to the box,
 * which is the same for p = Infinity and otherwise feasible but not nearest. The result is feasible to the last bit: in float64,
 * ||result - centre||_p <= epsilon and every entry lies in the box. A point already in the set comes back unchanged.
 */
export function projectBallAndBox(
  point: Float32Array,
  centre: Float32Array,
  epsilon: number,
  p: number,
  box: Box,
  projection: Projection = 'exact',
): Float32Array {
  if (p === Number.POSITIVE_INFINITY) return projectLinf(point, centre, epsilon, box);
  const length = point.length;
  const offset = new Float64Array(length);
  const ballBox = projection === 'exact' ? box : unboundedBox;
  let inBox = true;
  for (let i = 0; i < length; i++) {
    offset[i] = (point[i] as number) - (centre[i] as number);
    if ((point[i] as number) < ballBox.lower || (point[i] as number) > ballBox.upper) inBox = false;
  }
  if (!(inBox && norm(offset, p) <= epsilon)) projectOffset(offset, centre, epsilon, p, ballBox);
  return placeInside(centre, offset, epsilon, p, box);
}

/** The l_inf ball and box meet in a product of intervals, so that clamping each coordinate is the projection. */
function projectLinf(point: Float32Array, centre: Float32Array, epsilon: number, box: Box): Float32Array {
  const result = new Float32Array(point.length);
  for (let i = 0; i < point.length; i++) {
    const c = centre[i] as number;
    const x = point[i] as number;
    const inBall = Math.abs(x - c) <= epsilon ? x : roundTowardCentre(c, x > c ? epsilon : -epsilon);
    result[i] = Math.min(Math.max(inBall, box.lower), box.upper);
  }
  return result;
}

/** Rounds centre + offset to float32 towards the centre, which can only shrink every |coordinate|, then clamps to the box. */
function placeInside(centre: Float32Array, offset: Float64Array, epsilon: number, p: number, box: Box): Float32Array {
  const result = new Float32Array(centre.length);
  const placed = new Float64Array(centre.length);
  for (let shrink = 1; ; shrink *= 1 - 1e-7) {
    for (let i = 0; i < centre.length; i++) {
      const c = centre[i] as number;
      const x = roundTowardCentre(c, (offset[i] as number) * shrink);
      result[i] = Math.min(Math.max(x, box.lower), box.upper);
      placed[i] = (result[i] as number) - c;
    }
    // Math.pow is not monotone to the last bit, so that the norm is checked rather than trusted.
    if (norm(placed, p) <= epsilon) return result;
  }
}

/** Replaces `offset` by its projection on the p-ball and box - centre, 1 <= p < Infinity; the p-norm of the result is at most epsilon. */
function projectOffset(offset: Float64Array, centre: Float32Array, epsilon: number, p: number, box: Box): void {
  const length = offset.length;
  const target = offset.slice();
  const at = (multiplier: number): number => {
    for (let i = 0; i < length; i++) {
      const v = target[i] as number;
      const shrunk = Math.sign(v) * shrinkMagnitude(Math.abs(v), multiplier, p);
      const c = centre[i] as number;
      offset[i] = Math.min(Math.max(shrunk, box.lower - c), box.upper - c);
    }
    return norm(offset, p);
  };
  if (at(0) <= epsilon) return;
  if (epsilon === 0) {
    offset.fill(0);
    return;
  }
  // The norm falls monotonically with the multiplier of the ball's constraint: bracket the multiplier, then close in on it.
  let infeasible = 0;
  let excess = norm(target, p) - epsilon;
  let feasible = 1;
  let slack = at(feasible) - epsilon;
  while (slack > 0) {
    infeasible = feasible;
    excess = slack;
    feasible *= 4;
    slack = at(feasible) - epsilon;
  }
  // Bisection with a false-position guess every other round: safe, and a few rounds where the norm is nearly linear.
  for (let round = 0; round < 200 && slack < -1e-10 * epsilon; round++) {
    const guess = infeasible + ((feasible - infeasible) * excess) / (excess - slack);
    const middle = round % 2 === 0 ? guess + 1e-11 * feasible : 0.5 * (infeasible + feasible);
    if (!(middle > infeasible && middle < feasible)) {
      if (round % 2 === 1) break;
      continue;
    }
    const difference = at(middle) - epsilon;
    if (difference > 0) {
      infeasible = middle;
      excess = difference;
    } else {
      feasible = middle;
      slack = difference;
    }
  }
  at(feasible);
}

/** The minimiser d >= 0 of (d - a)^2 / 2 + multiplier * d^p / p, that is the root of d + multiplier * d^(p-1) = a. */
function shrinkMagnitude(a: number, multiplier: number, p: number): number {
  if (a === 0 || multiplier === 0) return a;
  if (p === 1) return Math.max(a - multiplier, 0);
  if (p === 2) return a / (1 + multiplier);
  // For p < 2 the left side is concave and Newton climbs from below; for p > 2 it is convex and Newton descends from above.
  const inverse = 1 / (p - 1);
  let d = p < 2 ? Math.min(0.5 * a, (a / (2 * multiplier)) ** inverse) : Math.min(a, (a / multiplier) ** inverse);
  for (let round = 0; round < 60 && d > 0; round++) {
    const power = multiplier * d ** (p - 2);
    const next = d - (d + power * d - a) / (1 + (p - 1) * power);
    if (!(Math.abs(next - d) > 1e-13 * d)) break;
    d = next;
  }
  return Math.min(Math.max(d, 0), a);
}
