import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { AttackOptions } from '@percept/contracts';
import { loadServiceSecurity, readConfig, securityConfig } from '@percept/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Issued, makeAuthority } from '../../libs/platform/test/support/issue-certificates.js';
import { type Distributed, startDistributed, type WorkerProcess } from '../../tools/cli/src/hosting/distributed.js';
import { type PerceptClient, perceptClient } from '../../tools/cli/src/percept-client.js';
import { smallAttack, untilDone } from './support/small-jobs.js';

const command = fileURLToPath(new URL('../../tools/cli/bin/percept.js', import.meta.url));
const authority = makeAuthority();
const day = 86_400_000;
const ends = { later: new Date(Date.now() + day).toISOString(), past: new Date(Date.now() - day).toISOString() };
const tokens = [
  { name: 'services', expires: ends.later, scopes: ['dataset:read', 'models:read'] },
  { name: 'caller', expires: ends.later, scopes: ['training:*', 'attack:*', 'jobs:*', 'models:read'] },
  { name: 'reader', expires: ends.later, scopes: ['dataset:read'] },
  { name: 'former', expires: ends.past, scopes: ['*'] },
];
const tokenOf = (name: string): string => `token-of-the-${name}`;
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

let folder: string;
let distributed: Distributed;
let worker: WorkerProcess;
let client: PerceptClient;
let mutual: Record<string, string>;

/** The variables of a process that shows this certificate, whose files are written under `name`. */
async function showing(name: string, issued: Issued): Promise<Record<string, string>> {
  const files = { certificate: path.join(folder, `${name}.crt`), key: path.join(folder, `${name}.key`) };
  await writeFile(files.certificate, issued.certificate);
  await writeFile(files.key, issued.key);
  return {
    PERCEPT_TLS: 'mutual',
    PERCEPT_TLS_CA: path.join(folder, 'authority.crt'),
    PERCEPT_TLS_CERTIFICATE: files.certificate,
    PERCEPT_TLS_KEY: files.key,
  };
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'percept-secured-distributed-'));
  await writeFile(path.join(folder, 'authority.crt'), authority.certificate);
  const tokensFile = path.join(folder, 'tokens.json');
  await writeFile(
    tokensFile,
    JSON.stringify({ tokens: tokens.map((token) => ({ ...token, sha256: sha256(tokenOf(token.name)) })) }),
  );
  mutual = await showing('services', authority.issue());
  const environment = { ...mutual, PERCEPT_TOKEN: tokenOf('services'), PERCEPT_TOKENS_FILE: tokensFile };
  const security = await loadServiceSecurity(readConfig(securityConfig, environment));
  distributed = await startDistributed({
    dataFolder: folder,
    host: '127.0.0.1',
    workers: 1,
    threads: 1,
    attackWorkers: 0,
    dashboard: undefined,
    logLevel: 'error',
    security,
    environment,
  });
  worker = distributed.startWorker('attack');
  client = perceptClient(distributed.endpoints, { ...security.client, token: tokenOf('caller') });
});

afterAll(async () => {
  client?.close();
  await distributed?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command as a process with these variables; answers with its exit code and what it said to people. */
async function percept(
  variables: Readonly<Record<string, string>>,
  args: readonly string[],
): Promise<{ readonly code: number; readonly said: string }> {
  const child = spawn(process.execPath, [command, ...args, '--data-folder', folder], {
    env: { PATH: process.env['PATH'], ...variables },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
}

const training = [
  ...['train', '--recipe', 'standard', '--preset', 'quickstart', '--dataset', 'mnist-5k', '--name', 'secured'],
  ...['--width', '4', '--blocks', '1,1,1,1', '--epochs', '1', '--limit', '200'],
];

describe('services and a worker as processes with mutual TLS and tokens', () => {
  it('train for the command that shows a right certificate and token', async () => {
    const { code, said } = await percept({ ...mutual, PERCEPT_TOKEN: tokenOf('caller') }, training);
    expect(said).toContain('standard: done');
    expect(code).toBe(0);
  });

  it('attack by the worker process, which fetches model and data set over the same connections', async () => {
    const workers = new Set<string>();
    for (const deadline = Date.now() + 120_000; Date.now() < deadline; ) {
      const submitted = await Promise.all(
        [1, 2].map((seed) =>
          client.attack.submit({
            requestId: '',
            spec: { ...smallAttack('secured'), options: AttackOptions.fromPartial({ steps: 1, seed }) },
          }),
        ),
      );
      for (const { job } of submitted) {
        const { result, worker: name } = await untilDone(client, 'attack', job);
        expect(result?.result?.$case).toBe('attack');
        workers.add(name.split('-').at(-1) as string);
      }
      if (workers.has(String(worker.pid))) break;
    }
    expect([...workers]).toContain(String(worker.pid));
  });

  it.each<[string, () => Promise<Record<string, string>>, string | undefined, number, RegExp]>([
    [
      'no certificate',
      async () => ({ PERCEPT_TLS: 'server', PERCEPT_TLS_CA: mutual['PERCEPT_TLS_CA'] as string }),
      'caller',
      3,
      /cannot be reached/,
    ],
    [
      'a certificate of another authority',
      async () => await showing('stranger', makeAuthority('another').issue()),
      'caller',
      3,
      /cannot be reached/,
    ],
    ['no TLS at all', async () => ({ PERCEPT_TLS: 'off' }), 'caller', 3, /cannot be reached/],
    ['no token', async () => mutual, undefined, 1, /UNAUTHENTICATED/],
    ['an unknown token', async () => mutual, 'nobody', 1, /UNAUTHENTICATED/],
    ['an expired token', async () => mutual, 'former', 1, /UNAUTHENTICATED/],
    ['a token without the scope', async () => mutual, 'reader', 1, /PERMISSION_DENIED/],
  ])('submit nothing for the command with %s', async (_, variables, token, expected, message) => {
    const jobs = async (): Promise<number> =>
      (await client.jobs('training').list({ kinds: [], states: [], pageSize: 100, pageToken: '' })).jobs.length;
    const before = await jobs();
    const shown = token === undefined ? {} : { PERCEPT_TOKEN: tokenOf(token) };
    const { code, said } = await percept({ ...(await variables()), ...shown }, [...training, '--detach']);
    expect(said).toMatch(message);
    expect(code).toBe(expected);
    expect(await jobs()).toBe(before);
  });
});
