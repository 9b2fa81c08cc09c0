/** Uniform numbers in [0, 1) taken one by one from consecutive blocks of a counter-based generator. */
export class UniformStream {
  readonly #block: (index: number) => ArrayLike<number>;
  #values: ArrayLike<number> = [];
  #position = 0;
  #next = 0;

  /** `block(i)` returns the i-th block, a pure function of i. */
  constructor(block: (index: number) => ArrayLike<number>) {
    this.#block = block;
  }

  next(): number {
    if (this.#position >= this.#values.length) {
      this.#values = this.#block(this.#next++);
      this.#position = 0;
    }
    return this.#values[this.#position++] as number;
  }
}
