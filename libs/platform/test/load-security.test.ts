import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  ConfigError,
  InsecureListenError,
  loadClientSecurity,
  loadSecurity,
  readConfig,
  refuseInsecureHost,
  securityConfig,
  TokensFileError,
  TokenTable,
} from '@percept/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from './support/issue-certificates.js';

let folder: string;
const at = (name: string): string => path.join(folder, name);
const sha256 = 'a'.repeat(64);
const good = { name: 'ci', sha256, expires: '2100-01-01T00:00:00Z', scopes: ['attack:*', 'models:read'] };

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'percept-security-'));
  const authority = makeAuthority();
  const { certificate, key } = authority.issue();
  const other = authority.issue();
  const past = authority.issue({ to: new Date('2024-01-01') });
  const files: Record<string, string> = {
    'ca.pem': authority.certificate,
    'cert.pem': certificate,
    'key.pem': key,
    'other-key.pem': other.key,
    'past.pem': past.certificate,
    'past-key.pem': past.key,
    'nonsense.pem': 'nonsense',
    'tokens.json': JSON.stringify({ tokens: [good] }),
    'bad-tokens.json': JSON.stringify({ tokens: [{ ...good, scopes: ['everything'] }] }),
  };
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(at(name), text)));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function environment(given: Record<string, string>): Record<string, string> {
  const files = ['PERCEPT_TLS_CA', 'PERCEPT_TLS_CERTIFICATE', 'PERCEPT_TLS_KEY', 'PERCEPT_TOKENS_FILE'];
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, files.includes(name) ? at(value) : value]),
  );
}

const mutual = {
  PERCEPT_TLS: 'mutual',
  PERCEPT_TLS_CA: 'ca.pem',
  PERCEPT_TLS_CERTIFICATE: 'cert.pem',
  PERCEPT_TLS_KEY: 'key.pem',
};

describe('loadSecurity', () => {
  it('without any variable is off', async () => {
    expect(await loadSecurity(readConfig(securityConfig, {}))).toEqual({
      server: { allowInsecure: false },
      client: {},
    });
  });

  it('in mode server shows a certificate and asks for none', async () => {
    const { server, client } = await loadSecurity(
      readConfig(securityConfig, environment({ ...mutual, PERCEPT_TLS: 'server' })),
    );
    expect(server.tls?.clientAuthorities).toBeUndefined();
    expect(server.tls?.certificate).toContain('BEGIN CERTIFICATE');
    expect(client.tls?.identity).toBeUndefined();
    expect(client.tls?.authorities).toContain('BEGIN CERTIFICATE');
  });

  it('in mode mutual both sides show one and check the other', async () => {
    const { server, client } = await loadSecurity(
      readConfig(securityConfig, environment({ ...mutual, PERCEPT_TOKENS_FILE: 'tokens.json', PERCEPT_TOKEN: 't' })),
    );
    expect(server.tls?.clientAuthorities).toBe(client.tls?.authorities);
    expect(server.tokens?.entries).toEqual([{ ...good, expires: new Date(good.expires) }]);
    expect(client.tls?.identity?.key).toBe(server.tls?.key);
    expect(client.token).toBe('t');
  });

  it('needs no certificate of a client in mode server', async () => {
    const config = readConfig(securityConfig, { PERCEPT_TLS: 'server' });
    expect(await loadClientSecurity(config)).toEqual({ tls: {} });
  });

  it.each([
    ['a mode without files', { PERCEPT_TLS: 'mutual' }, 'PERCEPT_TLS_CERTIFICATE must be set'],
    [
      'a missing file',
      { ...mutual, PERCEPT_TLS_KEY: 'none.pem' },
      'PERCEPT_TLS_KEY names a file that cannot be read (ENOENT)',
    ],
    [
      'the key of another certificate',
      { ...mutual, PERCEPT_TLS_KEY: 'other-key.pem' },
      'the key is not that of the certificate',
    ],
    ['a certificate that is none', { ...mutual, PERCEPT_TLS_CERTIFICATE: 'nonsense.pem' }, 'holds no certificate'],
    ['a key that is none', { ...mutual, PERCEPT_TLS_KEY: 'nonsense.pem' }, 'holds no key'],
    [
      'a certificate that ended',
      { ...mutual, PERCEPT_TLS_CERTIFICATE: 'past.pem', PERCEPT_TLS_KEY: 'past-key.pem' },
      'the certificate ended on Jan  1 00:00:00 2024 GMT',
    ],
    [
      'an authority that is none',
      { ...mutual, PERCEPT_TLS_CA: 'nonsense.pem' },
      'PERCEPT_TLS_CA names a file that holds no certificate',
    ],
    [
      'a wrong tokens file',
      { PERCEPT_TOKENS_FILE: 'bad-tokens.json' },
      'PERCEPT_TOKENS_FILE: tokens[0].scopes must be some of',
    ],
  ])('refuses %s', async (_, given, problem) => {
    const failure = await loadSecurity(readConfig(securityConfig, environment(given))).catch((error) => error);
    expect(failure).toBeInstanceOf(ConfigError);
    expect(failure.message).toContain(problem);
  });
});

describe('a tokens file', () => {
  it.each([
    ['no JSON', '{', 'it is not JSON'],
    ['no list', '{}', 'it must be {"tokens": [...]}'],
    ['a token in clear', JSON.stringify({ tokens: [{ ...good, token: 'clear' }] }), 'tokens[0] has an unknown field'],
    ['a short digest', JSON.stringify({ tokens: [{ ...good, sha256: 'ab' }] }), 'tokens[0].sha256 must be 64'],
    ['no end', JSON.stringify({ tokens: [{ ...good, expires: undefined }] }), 'tokens[0].expires must be a time'],
    ['no scope', JSON.stringify({ tokens: [{ ...good, scopes: [] }] }), 'tokens[0].scopes must be some of'],
    ['a service that is none', JSON.stringify({ tokens: [{ ...good, scopes: ['root:*'] }] }), 'tokens[0].scopes'],
    ['a name twice', JSON.stringify({ tokens: [good, good] }), 'the name "ci" stands twice'],
  ])('is refused with %s', (_, text, problem) => {
    let failure: unknown;
    try {
      TokenTable.parse(text);
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(TokensFileError);
    expect((failure as TokensFileError).problems.join('\n')).toContain(problem);
    expect((failure as TokensFileError).message).not.toContain('clear');
  });

  it('grants one scope, all of a service, or all', () => {
    const expires = new Date('2100-01-01');
    const tables = (scopes: Parameters<TokenTable['with']>[0]['scopes']): TokenTable =>
      new TokenTable([]).with({ name: 'x', token: 'x', expires, scopes });
    expect(tables(['attack:call']).judge('x', 'attack:call').kind).toBe('admitted');
    expect(tables(['attack:call']).judge('x', 'attack:submit').kind).toBe('denied');
    expect(tables(['attack:*']).judge('x', 'attack:submit').kind).toBe('admitted');
    expect(tables(['attack:*']).judge('x', 'jobs:read').kind).toBe('denied');
    expect(tables(['*']).judge('x', 'jobs:read').kind).toBe('admitted');
  });

  it('lets a token in until the moment of its end, and not at it', () => {
    const expires = new Date('2030-01-01');
    const table = new TokenTable([]).with({ name: 'x', token: 'x', expires, scopes: ['*'] });
    expect(table.judge('x', 'jobs:read', new Date(expires.getTime() - 1)).kind).toBe('admitted');
    expect(table.judge('x', 'jobs:read', expires).kind).toBe('unauthenticated');
  });
});

describe('refuseInsecureHost', () => {
  const tls = { certificate: '', key: '' };
  const tokens = new TokenTable([]);
  it.each([
    ['loopback with nothing', '127.0.0.1', {}, true],
    ['every address with nothing', '0.0.0.0', {}, false],
    ['every address with TLS only', '0.0.0.0', { tls }, false],
    ['every address with tokens only', '::', { tokens }, false],
    ['every address with both', '0.0.0.0', { tls, tokens }, true],
    ['every address where insecurity is allowed', '0.0.0.0', { allowInsecure: true }, true],
  ])('%s', (_, host, security, allowed) => {
    const attempt = (): void => refuseInsecureHost(host, security);
    if (allowed) expect(attempt).not.toThrow();
    else expect(attempt).toThrow(InsecureListenError);
  });
});
