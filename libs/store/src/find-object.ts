import { KeyNotFoundError } from './errors.js';
import type { Store, StoredObject } from './store.js';

/** The object under `key`, or undefined where there is none. */
export async function findObject(store: Store, key: string): Promise<StoredObject | undefined> {
  try {
    return await store.get(key);
  } catch (error) {
    if (error instanceof KeyNotFoundError) {
      return undefined;
    }
    throw error;
  }
}
