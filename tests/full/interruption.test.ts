import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { JobState, type TrainingSpec } from '@percept/contracts';
import { RandomStream, readSafetensors } from '@percept/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { PerceptClient } from '../../tools/cli/src/percept-client.js';
import { PerceptProcess } from './support/percept-process.js';
import { smallTraining, train, untilDone } from './support/small-jobs.js';

const up = ['up', '--port', '0', '--no-dashboard', '--threads', '1'];
const spec = smallTraining({ epochs: 3 });

/** Watches a job until so much of it is done. */
async function untilFraction(client: PerceptClient, jobId: string, fraction: number): Promise<void> {
  for await (const { event } of client.jobs('training').watch({ jobId, afterSequence: 0, follow: true })) {
    if (event?.event?.$case === 'progress' && event.event.value.fraction >= fraction) return;
  }
  throw new Error(`job ${jobId} ended before ${fraction} of it was done`);
}

/** Reads every object of an embedded store: JSON must parse, weights must be whole. Answers with the number of objects. */
async function checkObjects(dataFolder: string): Promise<number> {
  const folder = path.join(dataFolder, 'store');
  let objects = 0;
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = path.join(entry.parentPath, entry.name);
    if (file.endsWith('.json')) JSON.parse(await readFile(file, 'utf8'));
    if (file.endsWith('.safetensors')) readSafetensors(await readFile(file));
    objects++;
  }
  return objects;
}

describe('percept processes that are interrupted', () => {
  let folder: string;
  let unbroken: string;
  const started: PerceptProcess[] = [];

  const start = (args: readonly string[], dataFolder: string): PerceptProcess => {
    const percept = new PerceptProcess(args, dataFolder);
    started.push(percept);
    return percept;
  };
  const freshFolder = (): string => path.join(folder, randomUUID());

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'percept-interruption-'));
    const percept = start(up, freshFolder());
    const client = await percept.client();
    unbroken = await train(client, spec);
    client.close();
    await percept.interrupt();
  });

  afterAll(async () => {
    for (const percept of started) await percept.kill();
    await rm(folder, { recursive: true, force: true });
  });

  const finish = async (percept: PerceptProcess, requestId: string, asked: TrainingSpec): Promise<string> => {
    const client = await percept.client();
    try {
      // The same request id gives the job that was interrupted.
      const { job } = await client.training.submit({ requestId, spec: asked });
      const { result } = await untilDone(client, 'training', job);
      return result?.result?.$case === 'model' ? result.result.value.digest : '';
    } finally {
      client.close();
    }
  };

  it.each([1, 2, 3])(
    'go on to the same weights, to the bit, after kill -9 at random moments (seed %i)',
    async (seed) => {
      const dataFolder = freshFolder();
      const random = new RandomStream({ seed, purpose: 'moments of kill -9' });
      for (const least of [0, 0.4]) {
        const percept = start(up, dataFolder);
        const client = await percept.client();
        const { job } = await client.training.submit({ requestId: 'broken', spec });
        await untilFraction(client, job?.id ?? '', least + 0.4 * random.nextUniform());
        await percept.kill();
        client.close();
      }
      expect(await checkObjects(dataFolder)).toBeGreaterThan(0);
      const last = start(up, dataFolder);
      expect(await finish(last, 'broken', spec)).toBe(unbroken);
      await last.interrupt();
    },
  );

  it.each([
    ['embedded', up],
    ['distributed', ['up', '--distributed', '--no-dashboard', '--threads', '1']],
  ])('end on Ctrl-C without a process left, and go on to the same weights (%s)', async (form, args) => {
    const dataFolder = freshFolder();
    const first = start(args, dataFolder);
    const client = await first.client();
    const { job } = await client.training.submit({ requestId: 'broken', spec });
    await untilFraction(client, job?.id ?? '', 0.45);
    expect(await first.interrupt()).toBe(0);
    client.close();
    expect(first.survivors()).toEqual([]);
    expect(existsSync(path.join(dataFolder, 'endpoints.json'))).toBe(false);
    if (form === 'embedded') expect(await checkObjects(dataFolder)).toBeGreaterThan(0);
    const second = start(args, dataFolder);
    expect(await finish(second, 'broken', spec)).toBe(unbroken);
    expect(await second.interrupt()).toBe(0);
    expect(second.survivors()).toEqual([]);
  });

  it('end with their parent when that is killed, servers too (distributed)', async () => {
    const percept = start(['up', '--distributed', '--no-dashboard', '--threads', '1'], freshFolder());
    (await percept.client()).close();
    // Five services, an attack worker, the broker, the store, and the command itself.
    expect(percept.survivors()).toHaveLength(9);
    await percept.kill();
    await expect.poll(() => percept.survivors(), { timeout: 20_000 }).toEqual([]);
  });

  it('end on Ctrl-C in the midst of reproduce, and keep its unfinished jobs', async () => {
    const dataFolder = freshFolder();
    const reproduce = start(['reproduce', '--preset', 'quickstart', '--threads', '1', '--workers', '1'], dataFolder);
    const client = await reproduce.client();
    const running = async (): Promise<string> => {
      for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) {
        const { jobs } = await client
          .jobs('training')
          .list({ kinds: [], states: [JobState.RUNNING], pageSize: 0, pageToken: '' });
        if (jobs[0] !== undefined) return jobs[0].id;
      }
      throw new Error(`no job began: ${reproduce.output}`);
    };
    const jobId = await running();
    await untilFraction(client, jobId, 0.001);
    expect(await reproduce.interrupt(), reproduce.output).toBe(130);
    client.close();
    expect(reproduce.survivors()).toEqual([]);
    expect(await checkObjects(dataFolder)).toBeGreaterThan(0);

    const again = start(up, dataFolder);
    const after = await again.client();
    const { job } = await after.jobs('training').get({ jobId });
    expect([JobState.QUEUED, JobState.RUNNING]).toContain(job?.state);
    await untilFraction(after, jobId, 0.002);
    after.close();
    expect(await again.interrupt()).toBe(0);
  });
});
