import { InvalidKeyError } from './errors.js';

const SEGMENT = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/;
const LAST_SEGMENT_OF_PREFIX = /^([A-Za-z0-9_][A-Za-z0-9._-]{0,254})?$/;
const LONGEST_KEY = 900;

/** @throws InvalidKeyError unless every segment is one that a file system and S3 take as it is and that leads nowhere else. */
export function checkKey(key: string): void {
  if (key.length > LONGEST_KEY || !key.split('/').every((segment) => SEGMENT.test(segment))) {
    throw new InvalidKeyError(`${JSON.stringify(key.slice(0, 1_000))} is not a valid key`);
  }
}

/** @throws InvalidKeyError unless `prefix` can be the beginning of a key; the empty prefix can. */
export function checkPrefix(prefix: string): void {
  const segments = prefix.split('/');
  const last = segments.pop() ?? '';
  const valid = segments.every((segment) => SEGMENT.test(segment)) && LAST_SEGMENT_OF_PREFIX.test(last);
  if (prefix.length > LONGEST_KEY || !valid) {
    throw new InvalidKeyError(`${JSON.stringify(prefix.slice(0, 1_000))} is not a valid prefix`);
  }
}

/** @throws InvalidKeyError unless `folder` is empty or a valid prefix that ends in a slash. */
export function checkFolder(folder: string): void {
  checkPrefix(folder);
  if (folder !== '' && !folder.endsWith('/')) {
    throw new InvalidKeyError(`the folder ${JSON.stringify(folder)} does not end in a slash`);
  }
}

/** Whether the folder `name` comes after its neighbour `after` in byte order of their keys; every folder comes after none. */
export function followsFolder(name: string, after: string | undefined): boolean {
  return after === undefined || `${name}/` > `${after}/`;
}
