import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { HttpError } from './http-error.js';

const cookieName = 'percept_token';

/** Says whether a host to bind to is reachable from this machine only. */
export function isLoopback(host: string): boolean {
  const name = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (name === 'localhost' || name.endsWith('.localhost') || name === '::1') return true;
  return isIP(name) === 4 && name.startsWith('127.');
}

function equalSecrets(a: string, b: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

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
 * Judges whether a request may enter.
 * With a token: by `Authorization: Bearer`, by the cookie, or once by `?token=` on a page, which sets the cookie.
 * Without: only under a loopback name, so that a foreign page cannot reach this server through a name that it controls.
 * @throws HttpError 401 or 403
 */
export function admit(request: IncomingMessage, url: URL, token: string | undefined): Admission {
  if (token === undefined) {
    if (isLoopback(hostName(request))) return { kind: 'allowed' };
    throw new HttpError(403, 'FORBIDDEN_HOST', 'Without a token the dashboard answers only under a loopback name.');
  }
  const bearer = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const offered = bearer ?? cookieToken(request);
  const inAddress = url.searchParams.get('token');
  if (inAddress !== null && equalSecrets(inAddress, token) && request.method === 'GET') {
    const rest = new URL(url);
    rest.searchParams.delete('token');
    const cookie = `${cookieName}=${encodeURIComponent(token)}; Path=/; HttpOnly; SameSite=Strict`;
    return { kind: 'redirect', to: `/${rest.pathname.replace(/^\/+/, '')}${rest.search}`, cookie };
  }
  if (offered !== undefined && equalSecrets(offered, token)) return { kind: 'allowed' };
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
