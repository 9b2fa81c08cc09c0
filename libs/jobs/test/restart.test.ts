import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { memoryBus } from '@percept/bus';
import { type JobEvent, JobSpec } from '@percept/contracts';
import { JobQueue, type JobRecord, JobRepository, watchJob } from '@percept/jobs';
import { filesystemStore } from '@percept/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const worker = fileURLToPath(new URL('./fixtures/counting-worker.mjs', import.meta.url));
const isBuilt = existsSync(new URL('../dist/index.js', import.meta.url));
if (!isBuilt) {
  const message = 'the packages are not built (npm run build): restarts of processes are not tested';
  if (process.env['CI'] !== undefined) {
    throw new Error(message);
  }
  console.warn(message);
}

describe.skipIf(!isBuilt)('a job over restarts of its process', () => {
  let directory: string;
  let jobId: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'percept-restart-'));
    const store = await filesystemStore(directory);
    const bus = memoryBus();
    const queue = new JobQueue(new JobRepository(store), bus);
    ({ id: jobId } = await queue.submit({ kind: 'count', spec: JobSpec.create(), requestId: 'restart' }));
    await bus.close();
    await store.close();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) {
      if (child.exitCode === null && child.signalCode === null) {
        child.kill('SIGKILL');
        await once(child, 'exit');
      }
    }
    await rm(directory, { recursive: true, force: true });
  });

  /** Runs the worker until it has written `line`. */
  async function workUntil(line: string, holdAt: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, [worker, directory, jobId, holdAt], { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    let output = '';
    for await (const chunk of child.stdout ?? []) {
      output += String(chunk);
      if (output.split('\n').includes(line)) {
        return child;
      }
    }
    throw new Error(`the worker ended without ${line}: ${output}`);
  }

  async function inspect(): Promise<{ record: JobRecord; steps: number[] }> {
    const store = await filesystemStore(directory);
    const bus = memoryBus();
    try {
      const repository = new JobRepository(store);
      const events: JobEvent[] = [];
      for await (const event of watchJob(repository, bus, jobId, {
        follow: false,
        signal: AbortSignal.timeout(10_000),
      })) {
        events.push(event);
      }
      const steps = events.flatMap(({ event }) => (event?.$case === 'metrics' ? [event.value.step] : []));
      return { record: await repository.get(jobId), steps };
    } finally {
      await bus.close();
      await store.close();
    }
  }

  async function ended(child: ChildProcess): Promise<void> {
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    await exited;
  }

  test('goes on from its checkpoint after kill -9, and keeps its events', async () => {
    const killed = await workUntil('4', '4');
    const exited = once(killed, 'exit');
    killed.kill('SIGKILL');
    await exited;
    const between = await inspect();
    expect(between.record).toMatchObject({ state: 'RUNNING', attempt: 1 });
    expect(between.steps).toEqual([1, 2, 3, 4]);
    await ended(await workUntil('10', 'never'));
    const { record, steps } = await inspect();
    expect(record).toMatchObject({ state: 'SUCCEEDED', attempt: 2, progress: { done: 10, total: 10 } });
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    expect(await readdir(directory)).toEqual(['.temporary', 'jobs']);
  });

  test('is handed back on SIGTERM and goes on in the next process', async () => {
    await ended(await workUntil('6', '6'));
    const between = await inspect();
    expect(between.record).toMatchObject({ state: 'QUEUED', attempt: 1, setbacks: 0 });
    await ended(await workUntil('10', 'never'));
    const { record, steps } = await inspect();
    expect(record).toMatchObject({ state: 'SUCCEEDED', attempt: 2 });
    expect(steps).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
