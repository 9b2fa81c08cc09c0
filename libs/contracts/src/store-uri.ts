const scheme = 'store:';

/** The `store:KEY` address of an object, as artefacts and tensor references carry it. */
export function storeUri(key: string): string {
  return `${scheme}${key}`;
}

/** The key of a `store:KEY` address; undefined for any other text, and for keys with empty, `.` or `..` segments. */
export function keyOfStoreUri(uri: string): string | undefined {
  if (!uri.startsWith(scheme)) return undefined;
  const key = uri.slice(scheme.length);
  const sound = key.split('/').every((segment) => /^[A-Za-z0-9_.@=-]+$/.test(segment) && !/^\.{1,2}$/.test(segment));
  return sound ? key : undefined;
}
