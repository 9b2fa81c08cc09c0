import { filesystemStore } from './filesystem-store.js';
import { type S3StoreOptions, s3Store } from './s3-store.js';
import type { Store } from './store.js';

/** Where the store is. */
export type StoreConfig =
  | { readonly kind: 'filesystem'; readonly directory: string }
  | ({ readonly kind: 's3' } & S3StoreOptions);

/** @throws StoreLockedError, StoreUnavailableError. */
export async function openStore(config: StoreConfig): Promise<Store> {
  switch (config.kind) {
    case 'filesystem':
      return await filesystemStore(config.directory);
    case 's3':
      return await s3Store(config);
  }
}
