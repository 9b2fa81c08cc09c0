import { KeyConflictError, KeyNotFoundError, StoreFullError, StoreUnavailableError } from './errors.js';

/** The `code` of a system error, such as `ENOENT`. */
export function systemErrorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** A system error as the store's own; errors of other origin pass unchanged. */
export function fromSystemError(error: unknown, key: string): unknown {
  switch (systemErrorCode(error)) {
    case 'ENOENT':
      return new KeyNotFoundError(key);
    case 'EISDIR':
    case 'ENOTDIR':
    case 'ENOTEMPTY':
      return new KeyConflictError(key, { cause: error });
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return new StoreFullError(`no room left in the store's file system to write ${key}`, { cause: error });
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
    case 'EIO':
    case 'EMFILE':
    case 'ENFILE':
      return new StoreUnavailableError(`${key}: ${error instanceof Error ? error.message : ''}`, { cause: error });
    default:
      return error;
  }
}
