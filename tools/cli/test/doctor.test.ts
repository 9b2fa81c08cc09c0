import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeAuthority } from '../../../libs/platform/test/support/issue-certificates.js';
import { type Check, type CheckResult, runChecks } from '../src/doctor/check.js';
import { diskCheck, engineCheck, nodeCheck, portCheck } from '../src/doctor/machine-checks.js';
import { securityChecks } from '../src/doctor/security-checks.js';
import { brokerCheck, clockCheck, storeCheck } from '../src/doctor/service-checks.js';

let folder: string;
let taken: Server;
let port: number;

async function only(check: Check): Promise<CheckResult> {
  return (await runChecks([check]))[0] as CheckResult;
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'percept-doctor-'));
  taken = createServer();
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
  port = (taken.address() as { port: number }).port;
  const soon = makeAuthority().issue({ to: new Date(Date.now() + 5 * 86_400_000) });
  await writeFile(path.join(folder, 'cert.pem'), soon.certificate);
  await writeFile(path.join(folder, 'key.pem'), soon.key);
});

afterAll(async () => {
  await new Promise((resolve) => taken.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

describe('the doctor', () => {
  it.each([
    ['20.19.0', 'ok'],
    ['22.4.1', 'ok'],
    ['20.11.0', 'failed'],
    ['18.20.0', 'failed'],
    ['23.0.0', 'failed'],
  ])('says of Node %s: %s', async (version, state) => {
    expect((await only(nodeCheck(version))).state).toBe(state);
  });

  it('names the engine and its path', async () => {
    expect((await only(engineCheck)).found).toMatch(/^(native|cpu) .*(avx512|avx2|portable|javascript)/);
  });

  it('tries the conditional puts of a store, and leaves nothing behind', async () => {
    const result = await only(storeCheck({}, folder));
    expect(result).toMatchObject({ state: 'ok' });
    expect(result.found).toContain('honours conditional puts');
  });

  it('finds a taken port, and says what to do', async () => {
    const result = await only(portCheck('port', '127.0.0.1', port, false));
    expect(result).toMatchObject({ state: 'failed', found: `127.0.0.1:${port}: EADDRINUSE` });
    expect(result).toHaveProperty('advice');
  });

  it('finds a store and a broker that do not answer', async () => {
    const environment = {
      PERCEPT_S3_ENDPOINT: 'http://127.0.0.1:1',
      PERCEPT_S3_ACCESS_KEY: 'a-key-of-a-test',
      PERCEPT_S3_SECRET_KEY: 'a-secret-of-a-test',
      PERCEPT_NATS_URL: 'nats://127.0.0.1:1',
    };
    const results = await runChecks([
      storeCheck(environment, folder),
      brokerCheck(environment),
      clockCheck(environment),
    ]);
    expect(results.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed']);
    expect(JSON.stringify(results)).not.toContain('a-secret-of-a-test');
  }, 60_000);

  it('finds wrong variables, all at once', async () => {
    const [configuration] = await runChecks(securityChecks({ PERCEPT_PORT: 'x', PERCEPT_LOG_LEVEL: 'loud' }));
    expect(configuration).toMatchObject({ state: 'failed' });
    expect(configuration?.found).toMatch(/PERCEPT_PORT .*PERCEPT_LOG_LEVEL/);
  });

  it('finds an address that other machines would reach without TLS and tokens', async () => {
    const [configuration] = await runChecks(securityChecks({ PERCEPT_HOST: '0.0.0.0' }));
    expect(configuration).toMatchObject({ state: 'failed' });
    expect(configuration?.found).toContain('without TLS');
  });

  it('warns of a certificate that ends soon', async () => {
    const [, certificate] = await runChecks(
      securityChecks({
        PERCEPT_TLS: 'server',
        PERCEPT_TLS_CERTIFICATE: path.join(folder, 'cert.pem'),
        PERCEPT_TLS_KEY: path.join(folder, 'key.pem'),
      }),
    );
    expect(certificate).toMatchObject({ check: 'certificate', state: 'warning' });
  });

  it('tells the free space', async () => {
    expect((await only(diskCheck(folder))).found).toMatch(/^\d+\.\d GiB free at /);
  });
});
