import type { IncomingMessage } from 'node:http';
import { TokenTable } from '@percept/platform';
import { describe, expect, it } from 'vitest';
import { admit, requireSameOrigin } from '../src/access.js';
import { HttpError } from '../src/http-error.js';

function request(headers: Record<string, string>, method = 'GET'): IncomingMessage {
  return { headers, method } as unknown as IncomingMessage;
}

const page = new URL('http://dashboard/');

const tokens = new TokenTable([])
  .with({ name: 'all', token: 's3cret', expires: new Date('2100-01-01'), scopes: ['dashboard:*'] })
  .with({ name: 'slash', token: 'a/b', expires: new Date('2100-01-01'), scopes: ['dashboard:read'] })
  .with({ name: 'old', token: 'old', expires: new Date('2020-01-01'), scopes: ['*'] });

describe('admit', () => {
  it('without a token lets in loopback names only', () => {
    expect(admit(request({ host: '127.0.0.1:8080' }), page, undefined, 'dashboard:read').kind).toBe('allowed');
    expect(admit(request({ host: '[::1]:8080' }), page, undefined, 'dashboard:read').kind).toBe('allowed');
    expect(() => admit(request({ host: 'rebound.example:8080' }), page, undefined, 'dashboard:read')).toThrow(
      HttpError,
    );
  });

  it('with a token takes the header or the cookie, and nothing else', () => {
    expect(admit(request({ authorization: 'Bearer s3cret' }), page, tokens, 'dashboard:read').kind).toBe('allowed');
    expect(admit(request({ cookie: 'a=b; percept_token=s3cret' }), page, tokens, 'dashboard:read').kind).toBe(
      'allowed',
    );
    for (const headers of [{}, { authorization: 'Bearer other' }, { cookie: 'percept_token=' }]) {
      expect(() => admit(request({ host: 'localhost', ...headers }), page, tokens, 'dashboard:read')).toThrow(
        /needs its token/,
      );
    }
  });

  it('refuses a token that is expired, and one for reading where something changes', () => {
    expect(() => admit(request({ authorization: 'Bearer old' }), page, tokens, 'dashboard:read')).toThrow(HttpError);
    const reading = request({ authorization: 'Bearer a/b' }, 'POST');
    expect(admit(request({ authorization: 'Bearer a/b' }), page, tokens, 'dashboard:read').kind).toBe('allowed');
    expect(() => admit(reading, page, tokens, 'dashboard:write')).toThrow(/does not have the scope dashboard:write/);
  });

  it('moves a token from the address into a cookie', () => {
    const admission = admit(request({}), new URL('http://dashboard/?token=a%2Fb&x=1'), tokens, 'dashboard:read');
    expect(admission).toMatchObject({ kind: 'redirect', to: '/?x=1' });
    expect(admission.kind === 'redirect' && admission.cookie).toMatch(
      /^percept_token=a%2Fb; Path=\/; HttpOnly; SameSite=Strict$/,
    );
  });

  it('never redirects to another host', () => {
    const admission = admit(
      request({}),
      new URL('http://dashboard//evil.example/?token=s3cret'),
      tokens,
      'dashboard:read',
    );
    expect(admission).toMatchObject({ to: '/evil.example/' });
  });
});

describe('requireSameOrigin', () => {
  it.each([
    ['a program that sends no origin', {}, true],
    ['the page itself', { origin: 'http://h:1', host: 'h:1', 'sec-fetch-site': 'same-origin' }, true],
    ['another site', { origin: 'http://evil', host: 'h:1' }, false],
    ['another port of the same host', { origin: 'http://h:2', host: 'h:1' }, false],
    ['a form of another site without origin', { host: 'h:1', 'sec-fetch-site': 'cross-site' }, false],
    ['a hidden origin', { origin: 'null', host: 'h:1' }, false],
  ])('%s', (_, headers, allowed) => {
    const attempt = (): void => requireSameOrigin(request(headers, 'POST'));
    if (allowed) expect(attempt).not.toThrow();
    else expect(attempt).toThrow(HttpError);
  });
});
