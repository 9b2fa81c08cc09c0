export {
  ConditionFailedError,
  DigestMismatchError,
  InvalidKeyError,
  KeyConflictError,
  KeyNotFoundError,
  StoreFullError,
  StoreLockedError,
  StoreUnavailableError,
  VersityGatewayError,
} from './errors.js';
export { filesystemStore } from './filesystem-store.js';
export { findObject } from './find-object.js';
export { checkKey } from './keys.js';
export {
  findVersityGateway,
  launchVersityGateway,
  type VersityGateway,
  type VersityGatewayOptions,
} from './launch-versity-gateway.js';
export { openStore, type StoreConfig } from './open-store.js';
export { type S3StoreOptions, s3Store } from './s3-store.js';
export type { Body, ObjectInfo, PutOptions, PutResult, Store, StoredObject } from './store.js';
