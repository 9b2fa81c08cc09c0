import { randomBytes } from 'node:crypto';
import type { Security } from '@percept/platform';

const farAway = new Date(8_640_000_000_000_000);

/** Gives the services of one process a token of their own to call each other with, where tokens are asked for; it dies with the process. */
export function withInternalToken({ server, client }: Security): Security {
  if (server.tokens === undefined) return { server, client };
  const token = randomBytes(32).toString('base64url');
  const tokens = server.tokens.with({ name: 'percept-internal', token, expires: farAway, scopes: ['*'] });
  return { server: { ...server, tokens }, client: { ...client, token } };
}
