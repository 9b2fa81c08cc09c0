import { useEffect, useState } from 'preact/hooks';

/** Where the reader is: the path after `#/` in parts, and the query that holds the view's state. */
export interface Route {
  readonly parts: readonly string[];
  readonly query: URLSearchParams;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Reads a route from an address's hash; an empty one is the list of jobs. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const parts = path.split('/').filter(Boolean).map(decode);
  return { parts: parts.length === 0 ? ['jobs'] : parts, query: new URLSearchParams(query) };
}

/** Writes the address of a view. */
export function linkTo(parts: readonly string[], query?: URLSearchParams): string {
  const text = query?.toString() ?? '';
  return `#/${parts.map(encodeURIComponent).join('/')}${text === '' ? '' : `?${text}`}`;
}

/** Follows the address. */
export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}

/** Changes the view's state in the address without a new entry in the history. */
export function replaceQuery(route: Route, changes: Readonly<Record<string, string>>): void {
  const query = new URLSearchParams(route.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === '') query.delete(name);
    else query.set(name, value);
  }
  history.replaceState(null, '', linkTo(route.parts, query));
  dispatchEvent(new HashChangeEvent('hashchange'));
}
