import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PerceptClient, perceptClient } from '../../tools/cli/src/percept-client.js';
import type { ServicesUnderTest } from '../../tools/cli/test/contract/contract-suite.js';
import { grpcurlProgram, pythonProgram } from './support/parts.js';
import { startServices } from './support/services.js';
import { smallTraining, train } from './support/small-jobs.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const grpcurl = grpcurlProgram();
const python = pythonProgram();

const run = async (program: string, args: readonly string[], environment: Record<string, string> = {}) => {
  const { stdout } = await promisify(execFile)(program, [...args], {
    cwd: root,
    env: { ...process.env, ...environment },
    timeout: 120_000,
  });
  return stdout;
};

/** The lines of an example: number of the sample, prediction before, arrow, prediction after. */
const exampleLines = [/^0 \d -> \d/m, /^1 \d -> \d/m, /^2 \d -> \d/m];

describe('clients of other make', () => {
  let services: ServicesUnderTest;
  let client: PerceptClient;
  let address: string;

  beforeAll(async () => {
    services = await startServices('embedded');
    client = perceptClient(services.endpoints);
    address = services.endpoints.attack;
    await train(client, smallTraining({ recipe: 'standard', epochs: 1, trainLimit: 200 }));
  });

  afterAll(async () => {
    client?.close();
    await services?.close();
  });

  it.skipIf(!grpcurl)('see every service through reflection', async () => {
    const services = (await run(grpcurl as string, ['-plaintext', address, 'list'])).trim().split('\n').sort();
    expect(services).toEqual([
      'grpc.health.v1.Health',
      'inference.GRPCInferenceService',
      'percept.v1.Attack',
      'percept.v1.Dataset',
      'percept.v1.Evaluation',
      'percept.v1.Jobs',
      'percept.v1.Models',
      'percept.v1.Training',
    ]);
  });

  it.skipIf(!grpcurl)('describe a call with its documentation through reflection', async () => {
    const described = await run(grpcurl as string, [
      '-plaintext',
      address,
      'describe',
      'percept.v1.AttackTargetedRequest',
    ]);
    expect(described).toMatch(/repeated uint32 targets = 3;/);
  });

  it.skipIf(!grpcurl)('attack with grpcurl', async () => {
    const request = {
      model: { registered: 'small' },
      images: { samples: { dataset: 'mnist-5k', count: 2 } },
      targets: [8],
      options: { epsilon: 0.2, steps: 3 },
      omit_images: true,
    };
    const answer = await run(grpcurl as string, [
      '-plaintext',
      '-d',
      JSON.stringify(request),
      address,
      'percept.v1.Attack/Targeted',
    ]);
    const { result } = JSON.parse(answer) as { result: { outcomes: { distances: { linf: number } }[] } };
    expect(result.outcomes).toHaveLength(2);
    for (const { distances } of result.outcomes) expect(distances.linf).toBeLessThanOrEqual(0.2 + 1e-6);
  });

  it.skipIf(!grpcurl)('are told with grpcurl what is wrong with a request, by field', async () => {
    const request = {
      model: { registered: 'small' },
      images: { samples: { dataset: 'mnist-5k', count: 1 } },
      targets: [8],
      options: { norm: 0.5 },
    };
    const refused = run(grpcurl as string, [
      '-plaintext',
      '-d',
      JSON.stringify(request),
      address,
      'percept.v1.Attack/Targeted',
    ]);
    await expect(refused).rejects.toMatchObject({
      stderr: expect.stringMatching(/InvalidArgument[\s\S]*BadRequest[\s\S]*options\.norm/),
    });
  });

  it.skipIf(!grpcurl)('see the health of every service with grpcurl', async () => {
    for (const service of ['', 'percept.v1.Attack', 'percept.v1.Training']) {
      const answer = await run(grpcurl as string, [
        '-plaintext',
        '-d',
        JSON.stringify({ service }),
        address,
        'grpc.health.v1.Health/Check',
      ]);
      expect(JSON.parse(answer)).toEqual({ status: 'SERVING' });
    }
  });

  it.skipIf(!python)('attack with the Python example', async () => {
    const generated = await mkdtemp(path.join(tmpdir(), 'percept-python-'));
    try {
      const protos = (await readdir(path.join(root, 'proto/percept/v1'))).map((file) => `proto/percept/v1/${file}`);
      await run(python as string, [
        '-m',
        'grpc_tools.protoc',
        '-I',
        'proto',
        `--python_out=${generated}`,
        `--grpc_python_out=${generated}`,
        ...protos,
      ]);
      const printed = await run(python as string, ['examples/python/targeted.py', address, 'small', '8'], {
        PYTHONPATH: generated,
      });
      for (const line of exampleLines) expect(printed).toMatch(line);
      expect(printed).toContain('(32, 32, 3)');
    } finally {
      await rm(generated, { recursive: true, force: true });
    }
  });

  it('attack with the TypeScript example', async () => {
    const printed = await run(process.execPath, ['examples/typescript/targeted.mjs', address, 'small', '8']);
    for (const line of exampleLines) expect(printed).toMatch(line);
  });
});
