import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AttackSpec, ProfileSpec, TrainingSpec } from '@percept/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { followJob } from '../../tools/cli/src/follow-job.js';
import { type Distributed, startDistributed, type WorkerProcess } from '../../tools/cli/src/hosting/distributed.js';
import { startEmbedded } from '../../tools/cli/src/hosting/embedded.js';
import { type PerceptClient, perceptClient } from '../../tools/cli/src/percept-client.js';
import { ProgressDisplay } from '../../tools/cli/src/progress-display.js';

const model = 'many-workers';
const profileSpec = ProfileSpec.fromPartial({
  model: { reference: { $case: 'registered', value: model } },
  samples: { dataset: 'mnist-5k', split: 'test', count: 1_000 },
  settings: { grid: [0, 0.1, 0.2, 0.3], attack: { steps: 8, seed: 3 } },
});
const attackSpec = AttackSpec.fromPartial({
  model: { reference: { $case: 'registered', value: model } },
  images: { source: { $case: 'samples', value: { dataset: 'mnist-5k', split: 'test', count: 800 } } },
  goal: { $case: 'targeted', value: { targets: [7] } },
  options: { steps: 4, seed: 5 },
});

async function finished(client: PerceptClient, service: 'training' | 'attack' | 'evaluation', id: string) {
  return await followJob(client.jobs(service), id, 'job', new ProgressDisplay(), AbortSignal.timeout(240_000));
}

async function train(client: PerceptClient): Promise<void> {
  const spec = TrainingSpec.fromPartial({
    recipe: 'standard',
    preset: 'quickstart',
    dataset: 'mnist-5k',
    width: 4,
    blocks: [1, 1, 1, 1],
    epochs: 1,
    trainLimit: 600,
    testLimit: 50,
    seed: 1,
    registerAs: model,
  });
  const { job } = await client.training.submit({ requestId: 'train', spec });
  await finished(client, 'training', job?.id ?? '');
}

/** The bytes of the report of a fresh profile job. */
async function profileReport(client: PerceptClient): Promise<string> {
  const { job } = await client.evaluation.submit({
    requestId: '',
    evaluation: { $case: 'profile', value: profileSpec },
  });
  await finished(client, 'evaluation', job?.id ?? '');
  const { reportJson } = await client.evaluation.getReport({ reportId: job?.id ?? '' });
  return new TextDecoder().decode(reportJson);
}

/** The adversarial images of a fresh attack job, in order. */
async function attackImages(client: PerceptClient): Promise<Uint8Array> {
  const { job } = await client.attack.submit({ requestId: '', spec: attackSpec });
  await finished(client, 'attack', job?.id ?? '');
  const parts: Uint8Array[] = [];
  for await (const { result } of client.attack.getResult({
    jobId: job?.id ?? '',
    first: 0,
    count: 0,
    omitImages: false,
  })) {
    parts.push(result?.images?.data ?? new Uint8Array(0));
  }
  return new Uint8Array(Buffer.concat(parts));
}

describe('equal jobs', () => {
  let folder: string;
  let distributed: Distributed;
  let client: PerceptClient;
  let reportOfOne: string;
  const workers: WorkerProcess[] = [];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'percept-many-'));
    distributed = await startDistributed({
      dataFolder: path.join(folder, 'distributed'),
      host: '127.0.0.1',
      workers: 1,
      threads: 1,
      attackWorkers: 0,
      leaseSeconds: 2,
      dashboard: undefined,
      logLevel: 'fatal',
    });
    client = perceptClient(distributed.endpoints);
    await train(client);
    reportOfOne = await profileReport(client);
  });

  afterAll(async () => {
    client?.close();
    await distributed?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test.each([2, 4])('give byte-identical reports with %i processes as with one', async (count) => {
    while (workers.length < count - 1) {
      workers.push(distributed.startWorker('evaluate'));
    }
    expect(await profileReport(client)).toBe(reportOfOne);
  });

  test('give byte-identical reports while a worker is killed every few seconds', async () => {
    const random = seededRandom(11);
    let running = true;
    let kills = 0;
    const killing = (async () => {
      while (running) {
        await new Promise((resolve) => setTimeout(resolve, 500 + random() * 1_000));
        const [victim] = workers.splice(Math.floor(random() * workers.length), 1);
        if (victim?.pid !== undefined) {
          process.kill(victim.pid, 'SIGKILL');
          kills += 1;
          await victim.ended;
        }
        workers.push(distributed.startWorker('evaluate'));
      }
    })();
    try {
      expect(await profileReport(client)).toBe(reportOfOne);
    } finally {
      running = false;
      await killing;
    }
    expect(kills).toBeGreaterThan(0);
  });

  test('attack to the same images when attack workers join and leave, and nothing else restarts', async () => {
    const alone = await attackImages(client);
    const joined = [distributed.startWorker('attack'), distributed.startWorker('attack')];
    const together = attackImages(client);
    await joined[0]?.close();
    expect(Buffer.compare(await together, alone)).toBe(0);
    await joined[1]?.close();
    expect(await Promise.race([distributed.failed, Promise.resolve('all services are up')])).toBe(
      'all services are up',
    );
  });

  test('give the same report in embedded form, with one compute worker and with two', async () => {
    for (const count of [1, 2]) {
      const embedded = await startEmbedded({
        dataFolder: path.join(folder, `embedded-${count}`),
        host: '127.0.0.1',
        port: 0,
        workers: count,
        threads: 1,
        dashboard: undefined,
        logLevel: 'fatal',
      });
      const local = perceptClient(embedded.endpoints);
      try {
        await train(local);
        expect(await profileReport(local)).toBe(reportOfOne);
      } finally {
        local.close();
        await embedded.close();
      }
    }
  });
});

function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
