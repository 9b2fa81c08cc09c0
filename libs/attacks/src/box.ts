/** The smallest and largest value every pixel may take. */
export interface Box {
  readonly lower: number;
  readonly upper: number;
}

/** The box of valid pixels, [0, 1]. */
export const pixelBox: Box = Object.freeze({ lower: 0, upper: 1 });

/** No box at all: every pixel value is allowed. */
export const unboundedBox: Box = Object.freeze({ lower: Number.NEGATIVE_INFINITY, upper: Number.POSITIVE_INFINITY });
