import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { admit, isLoopback, requireSameOrigin } from '../src/access.js';
import { HttpError } from '../src/http-error.js';

function request(headers: Record<string, string>, method = 'GET'): IncomingMessage {
  return { headers, method } as unknown as IncomingMessage;
}

const page = new URL('http://dashboard/');

describe('isLoopback', () => {
  it.each([
    ['127.0.0.1', true],
    ['127.8.9.10', true],
    ['localhost', true],
    ['::1', true],
    ['[::1]', true],
    ['0.0.0.0', false],
    ['::', false],
    ['192.168.1.4', false],
    ['127.0.0.1.example.com', false],
    ['example.com', false],
  ])('%s: %s', (host, expected) => {
    expect(isLoopback(host)).toBe(expected);
  });
});

describe('admit', () => {
  it('without a token lets in loopback names only', () => {
    expect(admit(request({ host: '127.0.0.1:8080' }), page, undefined).kind).toBe('allowed');
    expect(admit(request({ host: '[::1]:8080' }), page, undefined).kind).toBe('allowed');
    expect(() => admit(request({ host: 'rebound.example:8080' }), page, undefined)).toThrow(HttpError);
  });

  it('with a token takes the header or the cookie, and nothing else', () => {
    expect(admit(request({ authorization: 'Bearer s3cret' }), page, 's3cret').kind).toBe('allowed');
    expect(admit(request({ cookie: 'a=b; percept_token=s3cret' }), page, 's3cret').kind).toBe('allowed');
    for (const headers of [{}, { authorization: 'Bearer other' }, { cookie: 'percept_token=' }]) {
      expect(() => admit(request({ host: 'localhost', ...headers }), page, 's3cret')).toThrow(/needs its token/);
    }
  });

  it('moves a token from the address into a cookie', () => {
    const admission = admit(request({}), new URL('http://dashboard/?token=a%2Fb&x=1'), 'a/b');
    expect(admission).toMatchObject({ kind: 'redirect', to: '/?x=1' });
    expect(admission.kind === 'redirect' && admission.cookie).toMatch(
      /^percept_token=a%2Fb; Path=\/; HttpOnly; SameSite=Strict$/,
    );
  });

  it('never redirects to another host', () => {
    const admission = admit(request({}), new URL('http://dashboard//evil.example/?token=t'), 't');
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
