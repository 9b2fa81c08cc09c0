import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  AttackService,
  AttackTargetedRequest,
  type ClientTls,
  connect,
  DatasetService,
  ModelsService,
  PerceptRpcError,
} from '@percept/contracts';
import { InsecureListenError, type Security, TokenTable } from '@percept/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from '../../../libs/platform/test/support/issue-certificates.js';
import { type Embedded, startEmbedded } from '../src/hosting/embedded.js';

const authority = makeAuthority();
const expires = new Date('2100-01-01');
const tokens = new TokenTable([])
  .with({
    name: 'caller',
    token: 'caller-token',
    expires,
    scopes: ['attack:call', 'dashboard:read'],
  })
  .with({ name: 'reader', token: 'reader-token', expires, scopes: ['dataset:read'] });
const tls: ClientTls = { authorities: authority.certificate, identity: authority.issue() };
const security: Security = {
  server: { tls: { ...authority.issue(), clientAuthorities: authority.certificate }, tokens },
  client: { tls },
};

let dataFolder: string;
let embedded: Embedded;

const common = { workers: 1, threads: 1, logLevel: 'fatal', port: 0 } as const;

beforeAll(async () => {
  dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-secured-'));
  embedded = await startEmbedded({ ...common, dataFolder, host: '127.0.0.1', dashboard: { port: 0 }, security });
});

afterAll(async () => {
  await embedded?.close();
  await rm(dataFolder, { recursive: true, force: true });
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  return await work.then(
    () => 'OK',
    (error: unknown) => PerceptRpcError.from(error).code,
  );
}

describe('every service in one process, with mutual TLS and tokens', () => {
  it.each([
    ['caller-token', 'PERMISSION_DENIED'],
    ['reader-token', 'OK'],
    [undefined, 'UNAUTHENTICATED'],
  ])('%s may list data sets: %s', async (token, code) => {
    const connection = connect(embedded.endpoints.dataset, { tls, ...(token === undefined ? {} : { token }) });
    try {
      expect(await codeOf(connection.calls(DatasetService).list({}))).toBe(code);
    } finally {
      connection.close();
    }
  });

  it('the services reach each other, whatever their caller may do', async () => {
    const connection = connect(embedded.endpoints.attack, { tls, token: 'caller-token' });
    try {
      const attack = AttackTargetedRequest.fromPartial({
        model: { reference: { $case: 'registered', value: 'no-such-model' } },
        images: { source: { $case: 'samples', value: { dataset: 'mnist-embedded', indices: [0] } } },
        targets: [1],
      });
      expect(await codeOf(connection.calls(AttackService).targeted(attack))).toBe('NOT_FOUND');
      expect(await codeOf(connection.calls(ModelsService).get({ model: 'no-such-model' }))).toBe('PERMISSION_DENIED');
    } finally {
      connection.close();
    }
  });

  it.each([
    ['GET', '/api/datasets', undefined, 401],
    ['GET', '/api/datasets', 'reader-token', 403],
    ['GET', '/api/datasets', 'caller-token', 200],
    ['POST', '/api/jobs/j/cancel', 'caller-token', 403],
  ])('the dashboard answers %s %s with %s: %d', async (method, target, token, status) => {
    const url = new URL(target, embedded.dashboard);
    expect(url.protocol).toBe('https:');
    const found = await new Promise<number | undefined>((resolve, reject) => {
      const call = request(url, {
        method,
        ca: authority.certificate,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      });
      call.once('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      call.once('error', reject);
      call.end();
    });
    expect(found).toBe(status);
  });

  it('refuses other machines without TLS and tokens', async () => {
    const attempt = startEmbedded({ ...common, dataFolder, host: '0.0.0.0', dashboard: undefined });
    await expect(attempt).rejects.toThrow(InsecureListenError);
  });
});
