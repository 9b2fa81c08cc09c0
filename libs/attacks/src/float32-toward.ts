const scalar = new Float32Array(1);
const bits = new Int32Array(scalar.buffer);

/**
 * The float32 number nearest to `centre + offset` that lies no farther from `centre` than |offset|, in exact arithmetic.
 * `centre` must be a float32 number. Rounding towards the centre keeps a projected point inside every ball and box around it to the last bit.
 */
export function roundTowardCentre(centre: number, offset: number): number {
  // Adding 0 turns -0 into 0, so that equal points have equal bits.
  const rounded = Math.fround(centre + offset) + 0;
  if (Math.abs(rounded - centre) <= Math.abs(offset)) return rounded;
  scalar[0] = rounded;
  const word = bits[0] as number;
  const goDown = rounded > centre;
  if (rounded === 0) bits[0] = goDown ? -0x7fffffff : 1;
  else bits[0] = rounded > 0 === goDown ? word - 1 : word + 1;
  return scalar[0] as number;
}
