/** Runs actions under the same key one after the other. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<unknown>>();

  async run<Result>(key: string, action: () => Promise<Result>): Promise<Result> {
    const previous = this.#tails.get(key) ?? Promise.resolve();
    // The predecessor's failure is its caller's.
    const running = previous.then(action, action);
    this.#tails.set(key, running);
    try {
      return await running;
    } finally {
      if (this.#tails.get(key) === running) {
        this.#tails.delete(key);
      }
    }
  }
}
