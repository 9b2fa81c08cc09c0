import {
  ConditionFailedError,
  DigestMismatchError,
  KeyConflictError,
  KeyNotFoundError,
  StoreFullError,
  StoreUnavailableError,
} from './errors.js';

const OWN = [
  ConditionFailedError,
  DigestMismatchError,
  KeyConflictError,
  KeyNotFoundError,
  StoreFullError,
  StoreUnavailableError,
];

/** An error of the S3 client as the store's own. */
export function fromS3Error(error: unknown, key: string): unknown {
  if (OWN.some((own) => error instanceof own)) {
    return error;
  }
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  switch (code) {
    case 'NoSuchKey':
    case 'NotFound':
      return new KeyNotFoundError(key);
    case 'PreconditionFailed':
    case 'ConditionalRequestConflict':
      return new ConditionFailedError(key);
    case 'ObjectParentIsFile':
    case 'ExistingObjectIsDirectory':
    case 'XMinioParentIsObject':
    case 'XMinioObjectExistsAsDirectory':
      return new KeyConflictError(key, { cause: error });
    case 'QuotaExceeded':
    case 'InsufficientCapacity':
    case 'XMinioStorageFull':
    case 'XMinioAdminBucketQuotaExceeded':
      return new StoreFullError(`no room left in the store to write ${key}`, { cause: error });
    default:
      return new StoreUnavailableError(`${key}: ${code} ${message}`.trim(), { cause: error });
  }
}
