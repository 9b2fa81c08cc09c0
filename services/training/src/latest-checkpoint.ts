/** Saves checkpoints one after the other; of those that come while one is being saved only the newest is kept. */
export class LatestCheckpoint {
  readonly #save: (bytes: Uint8Array) => Promise<void>;
  readonly #onError: (error: unknown) => void;
  #waiting: Uint8Array | undefined;
  #saving: Promise<void> | undefined;

  /** `onError` hears of the first checkpoint that cannot be saved; none is saved after it. */
  constructor(save: (bytes: Uint8Array) => Promise<void>, onError: (error: unknown) => void) {
    this.#save = save;
    this.#onError = onError;
  }

  offer(bytes: Uint8Array): void {
    this.#waiting = bytes;
    this.#saving ??= this.#drain();
  }

  /** Resolves once nothing waits any more. */
  async settled(): Promise<void> {
    await this.#saving;
  }

  async #drain(): Promise<void> {
    try {
      for (let next = this.#take(); next !== undefined; next = this.#take()) await this.#save(next);
      this.#saving = undefined;
    } catch (error) {
      this.#onError(error);
    }
  }

  #take(): Uint8Array | undefined {
    const next = this.#waiting;
    this.#waiting = undefined;
    return next;
  }
}
