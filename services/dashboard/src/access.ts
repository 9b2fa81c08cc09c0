import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import { bearerToken, isLoopback, type Scope, type TokenTable } from '@percept/platform';
import { HttpError } from './http-error.js';

const cookieName = 'percept_token';

function cookieToken(request: IncomingMessage): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [name, value] = part.trim().split('=', 2);
    if (name === cookieName && value !== undefined) return decodeURIComponentOr(value);
  }
  return undefined;
}

function decodeURIComponentOr(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function hostName(request: IncomingMessage): string {
  const host = request.headers.host ?? '';
  return host.startsWith('[') ? host.slice(0, host.indexOf(']') + 1) : (host.split(':')[0] ?? '');
}

/** What to do with a request: let it in, or let it in by a cookie after leaving the token out of the address. */
export type Admission =
  | { readonly kind: 'allowed' }
  | { readonly kind: 'redirect'; readonly to: string; readonly cookie: string };

/**
 * Judges whether a request may do what `scope` allows.
 * With tokens: by `Authorization: Bearer`, by the cookie, or once by `?token=` on a page, which sets the cookie.
 * Without tokens: only under a loopback name, so that a foreign page cannot reach this server through a name that it controls.
 * @throws HttpError 401 or 403
 */
export function admit(request: IncomingMessage, url: URL, tokens: TokenTable | undefined, scope: Scope): Admission {
  if (tokens === undefined) {
    if (isLoopback(hostName(request))) return { kind: 'allowed' };
    throw new HttpError(403, 'FORBIDDEN_HOST', 'Without a token the dashboard answers only under a loopback name.');
  }
  const offered = bearerToken(request.headers.authorization) ?? cookieToken(request);
  const inAddress = url.searchParams.get('token');
  if (inAddress !== null && request.method === 'GET' && tokens.judge(inAddress, scope).kind === 'admitted') {
    const rest = new URL(url);
    const encrypted = request.socket instanceof TLSSocket;
    rest.searchParams.delete('token');
    const cookie = `${cookieName}=${encodeURIComponent(inAddress)}; Path=/; HttpOnly; SameSite=Strict${encrypted ? '; Secure' : ''}`;
    return { kind: 'redirect', to: `/${rest.pathname.replace(/^\/+/, '')}${rest.search}`, cookie };
  }
  const verdict = tokens.judge(offered, scope);
  if (verdict.kind === 'admitted') return { kind: 'allowed' };
  if (verdict.kind === 'denied') throw new HttpError(403, 'PERMISSION_DENIED', `Refused: ${verdict.reason}.`);
  throw new HttpError(
    401,
    'UNAUTHENTICATED',
    'This dashboard needs its token: open it once with ?token=..., or send "Authorization: Bearer ...".',
    { 'www-authenticate': 'Bearer realm="percept"' },
  );
}

/**
 * Refuses a changing request that another site's page sent.
 * @throws HttpError 403
 */
export function requireSameOrigin(request: IncomingMessage): void {
  const site = request.headers['sec-fetch-site'];
  const origin = request.headers.origin;
  const foreignOrigin = origin !== undefined && origin.replace(/^https?:\/\//, '') !== request.headers.host;
  if ((site !== undefined && site !== 'same-origin' && site !== 'none') || foreignOrigin) {
    throw new HttpError(403, 'CROSS_ORIGIN', 'Changes are accepted only from the dashboard itself.');
  }
}
