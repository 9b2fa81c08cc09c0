/** A key or prefix outside the allowed form. */
export class InvalidKeyError extends Error {
  override readonly name = 'InvalidKeyError';
}

/** There is no object under this key. */
export class KeyNotFoundError extends Error {
  override readonly name = 'KeyNotFoundError';

  constructor(key: string) {
    super(`there is no object ${key} in the store`);
  }
}

/** A conditional put found something else than it asked for; nothing was written. */
export class ConditionFailedError extends Error {
  override readonly name = 'ConditionFailedError';

  constructor(key: string) {
    super(`the object ${key} is not in the expected state`);
  }
}

/** The key is the folder of other keys, or lies below a key. */
export class KeyConflictError extends Error {
  override readonly name = 'KeyConflictError';

  constructor(key: string, options?: ErrorOptions) {
    super(`the key ${key} is another key's folder, or lies in another key`, options);
  }
}

/** The bytes do not have the digest that the caller announced; nothing was written. */
export class DigestMismatchError extends Error {
  override readonly name = 'DigestMismatchError';

  constructor(key: string, expected: string, actual: string) {
    super(`the bytes for ${key} have the sha256 ${actual} instead of ${expected}`);
  }
}

/** There is no room left for what should be written; nothing was written. */
export class StoreFullError extends Error {
  override readonly name = 'StoreFullError';
}

/** Another process (or another part of this one) has opened this folder. */
export class StoreLockedError extends Error {
  override readonly name = 'StoreLockedError';
}

/** The store could not be reached or answered with an error of its own; the call may be repeated. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError';
}

/** The S3 server program is missing or did not start. */
export class VersityGatewayError extends Error {
  override readonly name = 'VersityGatewayError';
}
