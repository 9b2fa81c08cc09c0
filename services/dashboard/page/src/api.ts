import { useEffect, useState } from 'preact/hooks';
import type { ErrorView } from '../../src/views.js';

/** The server answered with an error, or not at all. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

function isErrorView(body: unknown): body is ErrorView {
  return typeof body === 'object' && body !== null && 'error' in body;
}

/** Asks the dashboard's server for JSON. */
export async function fetchJson<T>(address: string, init?: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address, init);
  } catch {
    throw new ApiError(0, 'The dashboard does not answer.');
  }
  const body: unknown = await response.json().catch(() => undefined);
  if (response.ok) return body as T;
  throw new ApiError(
    response.status,
    isErrorView(body) ? body.error.message : `The dashboard answered ${response.status}.`,
  );
}

/** Something that is on its way, here, or not to be had. */
export type Loaded<T> =
  | { readonly kind: 'loading' }
  | { readonly kind: 'ready'; readonly value: T }
  | { readonly kind: 'failed'; readonly error: ApiError };

/** Loads JSON for a component, again when the address or `version` changes; the old value stays meanwhile. */
export function useJson<T>(address: string, version: unknown = 0): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ kind: 'loading' });
  useEffect(() => {
    let current = true;
    fetchJson<T>(address).then(
      (value) => current && setLoaded({ kind: 'ready', value }),
      (error: unknown) =>
        current &&
        setLoaded({ kind: 'failed', error: error instanceof ApiError ? error : new ApiError(0, String(error)) }),
    );
    return () => {
      current = false;
    };
  }, [address, version]);
  return loaded;
}
