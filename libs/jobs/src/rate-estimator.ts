const HALF_LIFE_SECONDS = 30;

/** Units per second over roughly the last minute, for a job whose steps take unequal time. */
export class RateEstimator {
  #units = 0;
  #seconds = 0;
  #last: { readonly done: number; readonly timeMs: number } | undefined;

  /** Takes the count of done units at a time in milliseconds; counts that fall start the estimate anew. */
  update(done: number, timeMs: number): void {
    const last = this.#last;
    this.#last = { done, timeMs };
    if (last === undefined || done < last.done) {
      this.#units = 0;
      this.#seconds = 0;
      return;
    }
    const seconds = Math.max(0, timeMs - last.timeMs) / 1_000;
    const decay = 2 ** (-seconds / HALF_LIFE_SECONDS);
    this.#units = this.#units * decay + (done - last.done);
    this.#seconds = this.#seconds * decay + seconds;
  }

  /** Seconds until `total` units are done, or undefined while no rate is known. */
  secondsUntil(total: number): number | undefined {
    if (this.#last === undefined || this.#units <= 0 || this.#seconds <= 0) {
      return undefined;
    }
    return (Math.max(0, total - this.#last.done) * this.#seconds) / this.#units;
  }
}
