import { randomUUID } from 'node:crypto';
import { JobResult, JobSpec } from '@percept/contracts';
import {
  isTerminal,
  type JobRecord,
  type ShardCompute,
  ShardGathering,
  ShardWorker,
  startJobRunner,
  watchJob,
} from '@percept/jobs';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Process, type World, worlds } from './job-worlds.js';

describe.each(worlds)('shards in the $name form', (form) => {
  let world: World;
  let process: Process;
  const closers: (() => Promise<void>)[] = [];

  beforeAll(async () => {
    world = await form.start();
    process = await world.open();
  });

  afterEach(async () => {
    for (const close of closers.splice(0)) {
      await close();
    }
  });

  afterAll(async () => {
    await world.close();
  });

  const freshGroup = (): string => `group-${randomUUID().slice(0, 8)}`;

  async function worker(
    group: string,
    compute: ShardCompute,
    more: { engine?: string; maxDeliveries?: number; in?: Process } = {},
  ) {
    const { repository, bus } = more.in ?? process;
    const started = new ShardWorker({
      repository,
      bus,
      group,
      engine: more.engine ?? 'e',
      compute,
      concurrency: 1,
      leaseMs: 1_000,
      maxDeliveries: more.maxDeliveries ?? 10,
      onError: () => {},
    });
    closers.push(() => started.close());
    return started;
  }

  /** Runs a job whose handler squares numbers as shards; gives the job's end and the sum. */
  async function sumOfSquares(group: string, numbers: readonly number[]): Promise<{ record: JobRecord; sum: number }> {
    let sum = 0;
    const { bus, store, repository, queue } = process;
    const runner = startJobRunner({
      bus,
      repository,
      handlers: {
        [group]: (context) =>
          ShardGathering.during(context, { bus, store, group, engine: 'e', onError: () => {} }, async (shards) => {
            const squares = await Promise.all(numbers.map((n) => shards.run<number>('square', { n })));
            sum = squares.reduce((total, square) => total + square, 0);
            return JobResult.create();
          }),
      },
      leaseMs: 2_000,
      onError: () => {},
    });
    closers.push(() => runner.close());
    const { id } = await queue.submit({ kind: group, spec: JobSpec.create(), requestId: '' });
    for await (const _ of watchJob(repository, bus, id, { signal: AbortSignal.timeout(25_000) }));
    const record = await repository.get(id);
    expect(isTerminal(record.state)).toBe(true);
    return { record, sum };
  }

  const square: ShardCompute = async (_task, input) => (input as { n: number }).n ** 2;

  test('are computed by all workers and gathered, equal tasks once', async () => {
    const group = freshGroup();
    const byWorker = [0, 0];
    for (const index of [0, 1]) {
      await worker(
        group,
        async (task, input, how) => {
          byWorker[index] = (byWorker[index] as number) + 1;
          await new Promise((resolve) => setTimeout(resolve, 50));
          return await square(task, input, how);
        },
        { in: await world.open() },
      );
    }
    const { record, sum } = await sumOfSquares(group, [1, 2, 3, 4, 5, 5]);
    expect({ state: record.state, sum }).toEqual({ state: 'SUCCEEDED', sum: 80 });
    expect(byWorker.reduce((a, b) => a + b)).toBe(5);
    expect(Math.min(...byWorker)).toBeGreaterThan(0);
  });

  test('are not waited for when their job ends while an earlier outcome of theirs is looked for', async () => {
    const group = freshGroup();
    const { bus, store, repository, queue } = process;
    const ending = new AbortController();
    const reason = new Error('no longer wanted');
    const read = store.get.bind(store);
    const get = vi.spyOn(store, 'get');
    onTestFinished(() => get.mockRestore());
    const ran = new Promise<unknown>((resolve) => {
      const runner = startJobRunner({
        bus,
        repository,
        handlers: {
          [group]: (context) =>
            ShardGathering.during(
              { ...context, signal: ending.signal },
              { bus, store, group, engine: 'e', onError: () => {} },
              async (shards) => {
                get.mockImplementation(async (key) => {
                  if (key.endsWith('/outcome')) ending.abort(reason);
                  return await read(key);
                });
                await shards.run('square', { n: 1 }).catch(resolve);
                return JobResult.create();
              },
            ),
        },
        leaseMs: 2_000,
        onError: () => {},
      });
      closers.push(() => runner.close());
    });
    await queue.submit({ kind: group, spec: JobSpec.create(), requestId: '' });
    expect(await ran).toBe(reason);
  });

  test('are left to workers of the same engine', async () => {
    const group = freshGroup();
    await worker(group, async () => -1_000, { engine: 'another' });
    await worker(group, square);
    expect((await sumOfSquares(group, [2, 3])).sum).toBe(13);
  });

  test('that fail fail their job with the reason', async () => {
    const group = freshGroup();
    await worker(group, async () => {
      throw new RangeError('the logits are not finite');
    });
    const { record } = await sumOfSquares(group, [1]);
    expect(record).toMatchObject({
      state: 'FAILED',
      error: { code: 'INTERNAL', message: 'the logits are not finite' },
    });
  });

  test('that take their workers down fail their job with that reason', async () => {
    const group = freshGroup();
    await worker(
      group,
      async () => {
        throw Object.assign(new Error('gone'), { name: 'WorkerCrashedError' });
      },
      { maxDeliveries: 2 },
    );
    const { record } = await sumOfSquares(group, [1]);
    expect(record).toMatchObject({ state: 'FAILED', error: { code: 'ABORTED' } });
    expect(record.error?.message).toMatch(/took down its worker 2 times/);
  });

  test('whose stored task is corrupt are written and computed again', async () => {
    const group = freshGroup();
    const ended = sumOfSquares(group, [3]);
    const { key, bytes } = await storedTask(group);
    await process.store.put(key, bytes.subarray(0, bytes.byteLength - 1));
    await worker(group, square);
    expect((await ended).sum).toBe(9);
  });

  /** The first task of a job of this kind, once it is stored. */
  async function storedTask(kind: string): Promise<{ key: string; bytes: Uint8Array }> {
    const { store } = process;
    for (;;) {
      for await (const { key } of store.list(`job-shards/${kind}`)) {
        if (key.endsWith('/task')) {
          return { key, bytes: (await store.get(key)).bytes };
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});
