import { ConditionFailedError, findObject, type Store } from '@percept/store';

/**
 * An object of a job that only the job's current worker replaces.
 *
 * Every put is conditional on what was seen last, and whoever finds something else asks whether the job is still his before
 * he goes on: a worker that was presumed dead stops here.
 */
export class FencedObject {
  readonly #store: Store;
  readonly #key: string;
  readonly #checkOwner: () => Promise<void>;
  #etag: string | undefined;

  /** @param checkOwner throws when the job belongs to another worker. */
  constructor(store: Store, key: string, checkOwner: () => Promise<void>) {
    this.#store = store;
    this.#key = key;
    this.#checkOwner = checkOwner;
  }

  async load(): Promise<Uint8Array | undefined> {
    const stored = await findObject(this.#store, this.#key);
    this.#etag = stored?.etag;
    return stored?.bytes;
  }

  /** @throws whatever the owner check throws. */
  async save(bytes: Uint8Array): Promise<void> {
    for (;;) {
      try {
        const put =
          this.#etag === undefined
            ? await this.#store.putIfAbsent(this.#key, bytes)
            : await this.#store.putIfMatch(this.#key, bytes, this.#etag);
        this.#etag = put.etag;
        return;
      } catch (error) {
        if (!(error instanceof ConditionFailedError)) {
          throw error;
        }
        await this.#checkOwner();
        // A predecessor's last put came between: it is replaced like any older one.
        this.#etag = (await findObject(this.#store, this.#key))?.etag;
      }
    }
  }
}
