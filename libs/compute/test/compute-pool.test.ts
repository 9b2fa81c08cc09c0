import { getEventListeners } from 'node:events';
import { getPriority } from 'node:os';
import {
  type ComputePool,
  createComputePool,
  PoolClosedError,
  QueueFullError,
  TaskCancelledError,
  TaskFailedError,
  transferring,
  UnknownTaskError,
  WorkerCrashedError,
  WorkerStartError,
} from '@percept/compute';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';

const taskModule = new URL('./fixtures/tasks.mjs', import.meta.url);

/** A gate that a held task waits at. */
function gate(): { flag: SharedArrayBuffer; open(): void } {
  const flag = new SharedArrayBuffer(4);
  return {
    flag,
    open: () => {
      Atomics.store(new Int32Array(flag), 0, 1);
      Atomics.notify(new Int32Array(flag), 0);
    },
  };
}

describe('createComputePool', () => {
  let pool: ComputePool;

  beforeAll(async () => {
    pool = await createComputePool({ taskModule, engine: 'cpu' });
  });

  afterAll(async () => {
    await pool.close();
  });

  /** Starts a task and waits until it says that it runs. */
  async function running(task: string, input: unknown, signal?: AbortSignal): Promise<{ result: Promise<unknown> }> {
    let result: Promise<unknown> = Promise.resolve();
    await new Promise<void>((resolve) => {
      result = pool.run(task, input, { onProgress: () => resolve(), ...(signal === undefined ? {} : { signal }) });
    });
    return { result };
  }

  test('runs a task on plain data', async () => {
    expect(await pool.run('add', { a: 2, b: 3 })).toBe(5);
  });

  test('gives each worker the engine that was asked for', async () => {
    expect(await pool.run('engineName', {})).toEqual({ selected: 'cpu', backend: 'cpu' });
    expect(pool.engine.name).toBe('cpu');
  });

  test('keeps one listener on the signal of a task, waiting or running, and none once it has ended', async () => {
    const listeners = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;
    const { signal } = new AbortController();
    const { flag, open } = gate();
    const first = await running('holdUntil', { flag, name: 'first' }, signal);
    const second = pool.run('add', { a: 1, b: 1 }, { signal });
    expect(listeners(signal)).toBe(2);
    open();
    await Promise.all([first.result, second]);
    expect(listeners(signal)).toBe(0);
  });

  test('moves typed arrays both ways', async () => {
    const values = Float32Array.of(1, 2, 3);
    const output = await pool.run<{ data: Float32Array }>('squares', transferring({ values }, [values]));
    expect(values.byteLength).toBe(0);
    expect([...output.data]).toEqual([1, 4, 9]);
  });

  test('reports what a generator task yields and resolves with what it returns', async () => {
    const events: unknown[] = [];
    expect(await pool.run('count', { to: 3 }, { onProgress: (event) => events.push(event) })).toBe('counted');
    expect(events).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
  });

  test('passes on a task’s error with its name and its plain properties', async () => {
    const error: unknown = await pool.run('fail', {}).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(TaskFailedError);
    expect(error).toMatchObject({
      message: 'out of range',
      name: 'RangeError',
      task: 'fail',
      field: 'options.norm',
    });
  });

  test.each([
    ['nosuch', UnknownTaskError],
    ['toString', UnknownTaskError],
    ['uncloneable', TaskFailedError],
  ])('refuses %s', async (task, error) => {
    await expect(pool.run(task, {})).rejects.toThrow(error);
    expect(await pool.run('add', { a: 1, b: 1 })).toBe(2);
  });

  test('refuses input that cannot be cloned and goes on', async () => {
    await expect(pool.run('add', { a: () => 1 })).rejects.toThrow(/could not be cloned/);
    expect(await pool.run('add', { a: 1, b: 1 })).toBe(2);
  });

  test.each(['spin', 'spinOnSignal', 'waitForSignal'])('cancels %s within a second', async (task) => {
    const controller = new AbortController();
    const { result } = await running(task, {}, controller.signal);
    const start = performance.now();
    controller.abort(new Error('enough'));
    const error: unknown = await result.catch((reason: unknown) => reason);
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(error).toBeInstanceOf(TaskCancelledError);
    expect(error).toMatchObject({ cause: new Error('enough') });
    expect(await pool.run('add', { a: 1, b: 1 })).toBe(2);
  });

  test('ends a task whose progress listener throws', async () => {
    const result = pool.run(
      'spin',
      {},
      {
        onProgress: () => {
          throw new Error('listener broke');
        },
      },
    );
    await expect(result).rejects.toThrow('listener broke');
  });

  test.skipIf(process.platform !== 'linux')('lets the threads that answer calls go first', async () => {
    expect(await pool.run('niceness', {})).toBe(19);
    expect(getPriority()).toBeLessThan(19);
  });

  test('does not start what is cancelled before or while it waits', async () => {
    await expect(pool.run('add', {}, { signal: AbortSignal.abort() })).rejects.toThrow(TaskCancelledError);
    const held = gate();
    const { result } = await running('holdUntil', { flag: held.flag, name: 'held' });
    const controller = new AbortController();
    const waiting = pool.run('add', { a: 1, b: 1 }, { signal: controller.signal });
    expect(pool.status).toMatchObject({ busy: 1, waiting: { interactive: 1, job: 0 } });
    controller.abort();
    await expect(waiting).rejects.toThrow(TaskCancelledError);
    expect(pool.status.waiting).toEqual({ interactive: 0, job: 0 });
    held.open();
    expect(await result).toBe('held');
  });

  test('runs interactive tasks before those of jobs', async () => {
    const held = gate();
    const { result } = await running('holdUntil', { flag: held.flag, name: 'held' });
    const order: string[] = [];
    const follow = (name: string, priority: 'interactive' | 'job') =>
      pool.run('add', { a: 0, b: 0 }, { priority }).then(() => order.push(name));
    const others = [
      follow('job 1', 'job'),
      follow('call 1', 'interactive'),
      follow('job 2', 'job'),
      follow('call 2', 'interactive'),
    ];
    held.open();
    await Promise.all([result, ...others]);
    expect(order).toEqual(['call 1', 'call 2', 'job 1', 'job 2']);
  });

  test('names the task in which a worker crashed and goes on with a fresh one', async () => {
    const crashing = pool.run('crash', {});
    const following = pool.run('add', { a: 1, b: 1 });
    await expect(crashing).rejects.toThrow(WorkerCrashedError);
    await expect(crashing).rejects.toThrow('crash');
    expect(pool.status.alive).toBeLessThan(pool.status.workers);
    expect(await following).toBe(2);
    expect(await pool.run('engineName', {})).toMatchObject({ selected: 'cpu' });
  });

  test('replaces a worker that crashed between two tasks', async () => {
    expect(await pool.run('crashLater', {})).toBe('fine');
    const results = await Promise.allSettled([pool.run('waitForSignal', {}, { signal: AbortSignal.timeout(500) })]);
    expect(results[0]?.status).toBe('rejected');
    expect(await pool.run('add', { a: 1, b: 1 })).toBe(2);
  });
});

describe('a compute pool of its own', () => {
  let pool: ComputePool | undefined;

  afterEach(async () => {
    await pool?.close();
    pool = undefined;
  });

  test('refuses tasks beyond its queue’s limit', async () => {
    pool = await createComputePool({ taskModule, engine: 'cpu', queueLimit: 2 });
    const held = gate();
    const tasks = [0, 1, 2].map((n) => pool?.run('holdUntil', { flag: held.flag, name: `task ${n}` }));
    await expect(pool.run('add', { a: 1, b: 1 })).rejects.toThrow(QueueFullError);
    expect(() => pool?.checkRoom('interactive')).toThrow(QueueFullError);
    expect(() => pool?.checkRoom('job')).not.toThrow();
    expect(await Promise.race([pool.run('add', { a: 1, b: 1 }, { priority: 'job' }), 'waits'])).toBe('waits');
    held.open();
    expect(await Promise.all(tasks)).toEqual(['task 0', 'task 1', 'task 2']);
  });

  test('runs as many tasks at once as it has workers', async () => {
    pool = await createComputePool({ taskModule, engine: 'cpu', workers: 2 });
    const held = gate();
    const started = new Set<unknown>();
    let bothRun = () => {};
    const together = new Promise<void>((resolve) => {
      bothRun = resolve;
    });
    const onProgress = (name: unknown) => {
      started.add(name);
      if (started.size === 2) {
        bothRun();
      }
    };
    const tasks = ['one', 'two'].map((name) => pool?.run('holdUntil', { flag: held.flag, name }, { onProgress }));
    await together;
    held.open();
    expect(await Promise.all(tasks)).toEqual(['one', 'two']);
  });

  test('ends the thread of a cancelled task that goes on, and works on in another', async () => {
    const deafPool = await createComputePool({ taskModule, engine: 'cpu', cancelGraceMs: 50 });
    onTestFinished(() => deafPool.close());
    const cancelling = new AbortController();
    const reason = new Error('no longer wanted');
    const onProgress = (): void => cancelling.abort(reason);
    const deaf = deafPool.run('spinDeaf', {}, { signal: cancelling.signal, onProgress });
    await expect(deaf).rejects.toMatchObject({ name: 'TaskCancelledError', cause: reason });
    expect(await deafPool.run('add', { a: 1, b: 2 })).toBe(3);
  });

  test('rejects what waits, cancels what runs and refuses what follows when it closes', async () => {
    pool = await createComputePool({ taskModule, engine: 'cpu' });
    const spinning = pool.run('spin', {});
    const waiting = pool.run('add', { a: 1, b: 1 });
    const settled = Promise.allSettled([spinning, waiting]);
    await pool.close();
    const [first, second] = await settled;
    expect(first).toMatchObject({ status: 'rejected', reason: expect.any(TaskCancelledError) });
    expect(second).toMatchObject({ status: 'rejected', reason: expect.any(PoolClosedError) });
    await expect(pool.run('add', {})).rejects.toThrow(PoolClosedError);
  });

  test.each([
    ['the task module is missing', { taskModule: new URL('./fixtures/nosuch.mjs', import.meta.url), engine: 'cpu' }],
    ['the engine is missing', { taskModule, engine: 'tensorflow' }],
  ] as const)('says so when %s', async (_name, options) => {
    await expect(createComputePool(options)).rejects.toThrow(WorkerStartError);
  });

  test.each([0, -1, 1.5])('refuses %d workers', async (workers) => {
    await expect(createComputePool({ taskModule, workers })).rejects.toThrow(RangeError);
  });
});
