/**
 * The smallest step in l_p, p in [1, Infinity], that takes `point` to the hyperplane <w, x> = <w, point> - excess within the box [0, 1]; where the box does not reach it,
 * the step to the box's corner nearest to it.
 *
 * `excess` is how far <w, .> must fall (negative: rise). For p > 1 entries move by min(lambda |w_i|^(q-1), room_i) with 1/p + 1/q = 1: lambda is found by Newton's method on a
 * concave, piecewise linear function, from below and hence without overshoot. For p = 1 entries are filled by |w_i|, ties to the lowest index. Croce and Hein (2020), eq. 5.
 */
export function stepToHyperplane(point: Float32Array, w: Float32Array, excess: number, p: number): Float64Array {
  const size = point.length;
  const towards = excess >= 0 ? -1 : 1;
  const needed = Math.abs(excess);
  const room = new Float64Array(size);
  let reach = 0;
  for (let i = 0; i < size; i++) {
    const signed = towards * (w[i] as number);
    const x = point[i] as number;
    room[i] = signed > 0 ? 1 - x : signed < 0 ? x : 0;
    reach += Math.abs(signed) * (room[i] as number);
  }
  const step = needed >= reach ? room : p === 1 ? fill(w, room, needed) : spread(w, room, needed, p);
  for (let i = 0; i < size; i++) if (towards * (w[i] as number) < 0) step[i] = -(step[i] as number);
  return step;
}

function spread(w: Float32Array, room: Float64Array, needed: number, p: number): Float64Array {
  const size = w.length;
  const exponent = p === Number.POSITIVE_INFINITY ? 0 : 1 / (p - 1);
  let largest = 0;
  for (let i = 0; i < size; i++) largest = Math.max(largest, Math.abs(w[i] as number));
  const rate = new Float64Array(size);
  const open = new Int32Array(size);
  let count = 0;
  for (let i = 0; i < size; i++) {
    const magnitude = Math.abs(w[i] as number);
    if (magnitude === 0 || room[i] === 0) continue;
    // Relative to the largest entry, so that no power of a tiny gradient underflows.
    rate[i] = exponent === 0 ? 1 : (magnitude / largest) ** exponent;
    open[count++] = i;
  }
  let lambda = 0;
  // Lambda only grows: an entry that has reached its limit stays there and is not visited again.
  let limited = 0;
  for (let round = 0; round < 100; round++) {
    let value = limited;
    let slope = 0;
    let left = 0;
    for (let at = 0; at < count; at++) {
      const i = open[at] as number;
      const magnitude = Math.abs(w[i] as number);
      const move = lambda * (rate[i] as number);
      if (move < (room[i] as number)) {
        value += magnitude * move;
        slope += magnitude * (rate[i] as number);
        open[left++] = i;
      } else {
        value += magnitude * (room[i] as number);
        limited += magnitude * (room[i] as number);
      }
    }
    count = left;
    const missing = needed - value;
    if (!(slope > 0) || missing <= 1e-12 * needed) break;
    lambda += missing / slope;
  }
  for (let i = 0; i < size; i++) rate[i] = Math.min(lambda * (rate[i] as number), room[i] as number);
  return rate;
}

function fill(w: Float32Array, room: Float64Array, needed: number): Float64Array {
  const magnitudes = new Float64Array(w.length);
  const order = Array.from(w.keys()).filter((i) => (room[i] as number) > 0 && w[i] !== 0);
  order.sort((a, b) => Math.abs(w[b] as number) - Math.abs(w[a] as number) || a - b);
  let missing = needed;
  for (const i of order) {
    const magnitude = Math.abs(w[i] as number);
    const move = Math.min(room[i] as number, missing / magnitude);
    magnitudes[i] = move;
    missing -= magnitude * move;
    if (move < (room[i] as number)) break;
  }
  return magnitudes;
}
