import { randomUUID } from 'node:crypto';
import { createClient, JobEvent, JobResult, JobSpec, JobState, JobsService, PerceptRpcError } from '@percept/contracts';
import {
  type HandlerEvent,
  isTerminal,
  JobCancelledError,
  type JobContext,
  JobFailedError,
  JobHandedBackError,
  type JobHandler,
  JobLostError,
  JobNotFoundError,
  JobQueue,
  JobQuotaError,
  type JobRecord,
  JobRepository,
  JobRetryError,
  type JobRunnerOptions,
  type JobStateName,
  jobsService,
  RequestIdReusedError,
  startJobRunner,
  watchJob,
} from '@percept/jobs';
import { createLogger, createMetrics, startService } from '@percept/platform';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Process, type World, worlds } from './job-worlds.js';

const RESULT: JobResult = JobResult.fromPartial({
  result: { $case: 'model', value: { modelId: 'm1', metrics: { loss: Number.POSITIVE_INFINITY } } },
});

const spec = (epochs: number): JobSpec => JobSpec.fromPartial({ spec: { $case: 'training', value: { seed: epochs } } });

const metrics = (step: number, value: number): HandlerEvent => ({
  $case: 'metrics',
  value: { step, epoch: 0, metrics: [{ name: 'train_loss', value }], model: '' },
});

/** Resolves once the job's signal fires, with its reason thrown. */
async function untilAborted({ signal }: JobContext): Promise<never> {
  await new Promise((resolve) => {
    if (signal.aborted) {
      resolve(undefined);
    }
    signal.addEventListener('abort', resolve, { once: true });
  });
  throw signal.reason;
}

class Latch {
  open: () => void = () => {};
  readonly opened: Promise<void> = new Promise((resolve) => {
    this.open = resolve;
  });
}

describe.each(worlds)('jobs in the $name form', (form) => {
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

  function work(
    kind: string,
    handler: JobHandler,
    options: Pick<JobRunnerOptions, 'leaseMs' | 'maxSetbacks' | 'observe'> & { in?: Process } = {},
  ) {
    const { bus, repository } = options.in ?? process;
    const runner = startJobRunner({
      ...options,
      bus,
      repository,
      handlers: { [kind]: handler },
      leaseMs: options.leaseMs ?? 3_000,
      onError: () => {},
    });
    closers.push(() => runner.close());
    return runner;
  }

  /** A kind of its own for each test. */
  const freshKind = (): string => `kind-${randomUUID().slice(0, 8)}`;
  /** As another worker does once the lease of the job's own has run out. */
  const takeOver = async (id: string): Promise<void> => {
    await process.repository.update(id, (record) => ({ ...record, attempt: 2, worker: 'successor' }));
  };

  async function watched(id: string, after = 0): Promise<JobEvent[]> {
    const events: JobEvent[] = [];
    for await (const event of watchJob(process.repository, process.bus, id, {
      after,
      signal: AbortSignal.timeout(20_000),
    })) {
      events.push(event);
    }
    return events;
  }

  async function ended(id: string): Promise<JobRecord> {
    await watched(id);
    const record = await process.repository.get(id);
    expect(isTerminal(record.state)).toBe(true);
    return record;
  }

  const states = (events: readonly JobEvent[]): JobState[] =>
    events.flatMap(({ event }) => (event?.$case === 'stateChange' ? [event.value.state] : []));

  test('runs a submitted job to its result, with progress and events', async () => {
    const kind = freshKind();
    let seen: JobSpec | undefined;
    work(kind, async (context) => {
      seen = context.spec;
      context.environment({ engine: 'cpu' });
      context.progress({ done: 1, total: 4, unit: 'epochs', message: 'training' });
      await context.emit(metrics(1, 0.5));
      await context.emit(metrics(2, Number.POSITIVE_INFINITY));
      context.progress({ done: 4, total: 4, unit: 'epochs', message: 'done' });
      return RESULT;
    });
    const submitted = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    expect(submitted).toMatchObject({ state: 'QUEUED', attempt: 0, kind });
    const record = await ended(submitted.id);
    expect(seen).toEqual(spec(1));
    expect(record).toMatchObject({
      state: 'SUCCEEDED',
      attempt: 1,
      result: RESULT,
      environment: { engine: 'cpu' },
      progress: { done: 4, total: 4, fraction: 1, unit: 'epochs', message: 'done' },
    });
    const events = await watched(submitted.id);
    expect(states(events)).toEqual(
      [JobState.QUEUED, JobState.RUNNING, JobState.SUCCEEDED].slice(-states(events).length),
    );
    const numbers = events.flatMap(({ event }) => (event?.$case === 'metrics' ? [event.value.metrics[0]?.value] : []));
    expect(numbers).toEqual([0.5, Number.POSITIVE_INFINITY]);
    const sequences = events.map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    expect(await watched(submitted.id, sequences.at(-2))).toEqual(events.slice(-1));
    expect(await watched(submitted.id, sequences.at(-1))).toEqual([]);
  });

  test('gives the same job for the same request id, and refuses it with another spec', async () => {
    const kind = freshKind();
    const first = await process.queue.submit({ kind, spec: spec(1), requestId: 'request' });
    const again = await Promise.all(
      [1, 2, 3].map(() => process.queue.submit({ kind, spec: spec(1), requestId: 'request' })),
    );
    expect(new Set(again.map(({ id }) => id))).toEqual(new Set([first.id]));
    await expect(process.queue.submit({ kind, spec: spec(2), requestId: 'request' })).rejects.toThrow(
      RequestIdReusedError,
    );
    let runs = 0;
    work(kind, async () => {
      runs += 1;
      return RESULT;
    });
    await ended(first.id);
    const last = await process.queue.submit({ kind, spec: spec(3), requestId: 'other' });
    await ended(last.id);
    expect(runs).toBe(2);
    expect((await process.queue.submit({ kind, spec: spec(1), requestId: 'request' })).state).toBe('SUCCEEDED');
  });

  test.each([
    [
      'an error of its own choice',
      () => new JobFailedError('FAILED_PRECONDITION', 'no such model'),
      'FAILED_PRECONDITION',
      'no such model',
    ],
    [
      'an error of another service',
      () => new PerceptRpcError('NOT_FOUND', 'no such data set'),
      'NOT_FOUND',
      'no such data set',
    ],
    ['any other error', () => new Error('broken'), 'INTERNAL', 'broken'],
  ])('fails with %s', async (_name, error, code, message) => {
    const kind = freshKind();
    work(kind, async () => {
      throw error();
    });
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    expect(await ended(id)).toMatchObject({ state: 'FAILED', error: { code, message }, attempt: 1 });
    const last = (await watched(id)).at(-1);
    expect(last?.event).toMatchObject({
      $case: 'stateChange',
      value: { state: JobState.FAILED, error: { code, message } },
    });
  });

  test('cancels a running job within a second, also from another process', async () => {
    const kind = freshKind();
    const started = new Latch();
    let reason: unknown;
    work(kind, async (context) => {
      started.open();
      try {
        return await untilAborted(context);
      } finally {
        reason = context.signal.reason;
      }
    });
    const other = await world.open();
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await started.opened;
    const start = performance.now();
    expect(await other.queue.cancel(id)).toMatchObject({ cancelRequested: true });
    expect(await ended(id)).toMatchObject({ state: 'CANCELLED' });
    expect(performance.now() - start).toBeLessThan(1_000);
    expect(reason).toBeInstanceOf(JobCancelledError);
    expect(await other.queue.cancel(id)).toMatchObject({ state: 'CANCELLED' });
  });

  test('refuses more waiting jobs of a kind than the policy allows, but not a repeated request', async () => {
    const kind = freshKind();
    const queue = new JobQueue(process.repository, process.bus, { maxWaiting: 2 });
    for (const requestId of ['a', 'b']) {
      await queue.submit({ kind, spec: spec(1), requestId });
    }
    await expect(queue.submit({ kind, spec: spec(1), requestId: 'c' })).rejects.toThrow(JobQuotaError);
    expect((await queue.submit({ kind, spec: spec(1), requestId: 'b' })).state).toBe('QUEUED');
    await expect(queue.submit({ kind: freshKind(), spec: spec(1), requestId: 'c' })).resolves.toBeDefined();
  });

  test('counts waiting jobs in the bus, and looks through the store once a second at most where a queue is full', async () => {
    const kind = freshKind();
    const count = vi.spyOn(process.repository, 'count');
    onTestFinished(() => count.mockRestore());
    const queue = new JobQueue(process.repository, process.bus, { maxWaiting: 3 });
    for (const requestId of ['a', 'b', 'c']) {
      await queue.submit({ kind, spec: spec(1), requestId });
    }
    expect(count).not.toHaveBeenCalled();
    for (const requestId of ['d', 'e', 'f']) {
      await expect(queue.submit({ kind, spec: spec(1), requestId })).rejects.toThrow(JobQuotaError);
    }
    expect(count).toHaveBeenCalledTimes(1);
  });

  test('takes a new job in the place of a cancelled one whose item is still on the bus', async () => {
    const kind = freshKind();
    const queue = new JobQueue(process.repository, process.bus, { maxWaiting: 2 });
    const { id } = await queue.submit({ kind, spec: spec(1), requestId: 'a' });
    await queue.submit({ kind, spec: spec(1), requestId: 'b' });
    await queue.cancel(id);
    expect((await queue.submit({ kind, spec: spec(1), requestId: 'c' })).state).toBe('QUEUED');
    await expect(queue.submit({ kind, spec: spec(1), requestId: 'd' })).rejects.toThrow(JobQuotaError);
  });

  test('makes work without a job, and a corrupt record, a dead letter that says why', async () => {
    const kind = freshKind();
    work(kind, async () => RESULT);
    await process.bus.publishWork(kind, `${kind}-nobody`, Buffer.from('{}'));
    const { id } = await process.queue.submit({ kind: freshKind(), spec: spec(1), requestId: '' });
    await process.store.put(`jobs/${id}/record.json`, Buffer.from('no record'));
    await process.bus.publishWork(kind, id, Buffer.from('{}'));
    await expect
      .poll(async () => (await process.bus.deadLetters()).filter((letter) => letter.kind === kind), { timeout: 10_000 })
      .toMatchObject([
        { id: `${kind}-nobody`, reason: `there is no job ${kind}-nobody` },
        { id, reason: `the record of job ${id} is corrupt` },
      ]);
    const { jobs } = await process.repository.list({ kinds: [], states: [] }, 10, '');
    expect(jobs.map((job) => job.id)).not.toContain(id);
  });

  test('takes an interactive job beside a batch job that occupies the worker', async () => {
    const kind = freshKind();
    const release = new Latch();
    work(kind, async ({ job }) => {
      if (job.priority !== 'interactive') await release.opened;
      return RESULT;
    });
    const long = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    const waiting = await process.queue.submit({ kind, spec: spec(2), requestId: '' });
    const short = await process.queue.submit({ kind, spec: spec(3), requestId: '', priority: 'interactive' });
    expect((await ended(short.id)).state).toBe('SUCCEEDED');
    expect((await process.repository.get(waiting.id)).state).toBe('QUEUED');
    release.open();
    expect((await ended(long.id)).state).toBe('SUCCEEDED');
    expect((await ended(waiting.id)).state).toBe('SUCCEEDED');
  });

  test('cancels a queued job at once and never runs it', async () => {
    const kind = freshKind();
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    expect(await process.queue.cancel(id)).toMatchObject({ state: 'CANCELLED', attempt: 0 });
    const ran: string[] = [];
    work(kind, async ({ job }) => {
      ran.push(job.id);
      return RESULT;
    });
    const second = await process.queue.submit({ kind, spec: spec(2), requestId: '' });
    await ended(second.id);
    expect(ran).toEqual([second.id]);
    expect(states(await watched(id)).at(-1)).toBe(JobState.CANCELLED);
  });

  test('hands a job back when its worker closes, and another goes on from the checkpoint', async () => {
    const kind = freshKind();
    const saved = new Latch();
    let reason: unknown;
    const first = work(kind, async (context) => {
      await context.emit(metrics(1, 1));
      await context.checkpoint.save(new TextEncoder().encode('epoch 3'));
      saved.open();
      try {
        return await untilAborted(context);
      } finally {
        reason = context.signal.reason;
      }
    });
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await saved.opened;
    expect(first.running).toEqual([id]);
    await first.close();
    expect(reason).toBeInstanceOf(JobHandedBackError);
    expect(await process.repository.get(id)).toMatchObject({ state: 'QUEUED', attempt: 1, setbacks: 0 });
    let resumed: string | undefined;
    work(kind, async (context) => {
      resumed = new TextDecoder().decode(await context.checkpoint.load());
      await context.emit(metrics(2, 2));
      return RESULT;
    });
    expect(await ended(id)).toMatchObject({ state: 'SUCCEEDED', attempt: 2 });
    expect(resumed).toBe('epoch 3');
    const events = await watched(id);
    expect(events.flatMap(({ event }) => (event?.$case === 'metrics' ? [event.value.step] : []))).toEqual([1, 2]);
  });

  test('takes over from a worker without a sign, which can then write nothing more', async () => {
    const kind = freshKind();
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    // A worker that took the job and fell silent: its lease has run out.
    await process.repository.update(id, (record) => ({
      ...record,
      state: 'RUNNING',
      attempt: 1,
      worker: 'silent',
      leaseUntil: new Date(Date.now() - 1).toISOString(),
    }));
    work(kind, async ({ attempt }) => {
      expect(attempt).toBe(2);
      return RESULT;
    });
    expect(await ended(id)).toMatchObject({ state: 'SUCCEEDED', attempt: 2, setbacks: 1 });
  });

  test('leaves a job alone while its worker gives signs', async () => {
    const kind = freshKind();
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    const leaseUntil = Date.now() + 1_500;
    await process.repository.update(id, (record) => ({
      ...record,
      state: 'RUNNING',
      attempt: 1,
      leaseUntil: new Date(leaseUntil).toISOString(),
    }));
    let startedAt = 0;
    work(kind, async () => {
      startedAt = Date.now();
      return RESULT;
    });
    await ended(id);
    expect(startedAt).toBeGreaterThanOrEqual(leaseUntil - 5);
  });

  test('stops a worker whose job was taken over, and keeps the successor’s checkpoint and result', async () => {
    const kind = freshKind();
    const started = new Latch();
    const overtaken = new Latch();
    const stopped = new Latch();
    let reason: unknown;
    let refused: unknown;
    work(kind, async (context) => {
      if (context.attempt > 1) {
        return RESULT;
      }
      started.open();
      await overtaken.opened;
      refused = await context.checkpoint.save(new Uint8Array([1])).catch((error: unknown) => error);
      try {
        return await untilAborted(context);
      } finally {
        reason = context.signal.reason;
        stopped.open();
      }
    });
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await started.opened;
    await takeOver(id);
    await process.store.put(`jobs/${id}/checkpoint`, new Uint8Array([2]));
    overtaken.open();
    await stopped.opened;
    expect(reason).toBeInstanceOf(JobLostError);
    expect(refused).toBeInstanceOf(JobLostError);
    expect(await process.repository.get(id)).toMatchObject({ state: 'RUNNING', attempt: 2, worker: 'successor' });
    expect((await process.store.get(`jobs/${id}/checkpoint`)).bytes).toEqual(new Uint8Array([2]));
  });

  test('replaces what an earlier attempt stored of the result, and nothing of a successor’s', async () => {
    const kind = freshKind();
    const started = new Latch();
    const overtaken = new Latch();
    const refused = new Latch();
    let refusal: unknown;
    work(kind, async (context) => {
      const prefix = `results/${context.job.id}`;
      await context.put(`${prefix}/first`, new Uint8Array([context.attempt]));
      started.open();
      await overtaken.opened;
      refusal = await context
        .put(`${prefix}/second`, new Uint8Array([context.attempt]))
        .catch((error: unknown) => error);
      refused.open();
      throw refusal;
    });
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await process.store.put(`results/${id}/first`, new Uint8Array([0]));
    await started.opened;
    expect((await process.store.get(`results/${id}/first`)).bytes).toEqual(new Uint8Array([1]));
    await takeOver(id);
    await process.store.put(`results/${id}/second`, new Uint8Array([2]));
    overtaken.open();
    await refused.opened;
    expect(refusal).toBeInstanceOf(JobLostError);
    expect((await process.store.get(`results/${id}/second`)).bytes).toEqual(new Uint8Array([2]));
  });

  test('runs a job again after an error that passes, and gives up when it stays', async () => {
    const kind = freshKind();
    let runs = 0;
    work(
      kind,
      async ({ spec: { spec: work } }) => {
        runs += 1;
        if (runs === 1 || (work?.$case === 'training' && work.value.seed === 2)) {
          throw new JobRetryError('the data service is away');
        }
        return RESULT;
      },
      { maxSetbacks: 1 },
    );
    const passing = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    expect(await ended(passing.id)).toMatchObject({ state: 'SUCCEEDED', attempt: 2 });
    const staying = await process.queue.submit({ kind, spec: spec(2), requestId: '' });
    expect(await ended(staying.id)).toMatchObject({
      state: 'FAILED',
      attempt: 2,
      error: { message: 'the data service is away' },
    });
  });

  test('counts attempts by the state in which they leave the job', async () => {
    const kind = freshKind();
    const { registry, jobStarted } = createMetrics();
    let attempts = 0;
    work(
      kind,
      async () => {
        attempts += 1;
        if (attempts === 1) throw new JobRetryError('not yet');
        return RESULT;
      },
      { observe: jobStarted },
    );
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await watched(id);
    await vi.waitFor(async () => {
      const lines = await registry.metrics();
      expect(lines).toContain(`percept_job_attempts_total{kind="${kind}",state="QUEUED"} 1`);
      expect(lines).toContain(`percept_job_attempts_total{kind="${kind}",state="SUCCEEDED"} 1`);
      expect(lines).toContain(`percept_job_attempt_seconds_count{kind="${kind}"} 2`);
      expect(lines).toContain(`percept_jobs_running{kind="${kind}"} 0`);
    }, 5_000);
  });

  test('gives up a job that takes its workers down', async () => {
    const kind = freshKind();
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await process.repository.update(id, (record) => ({ ...record, state: 'RUNNING', attempt: 6, setbacks: 5 }));
    work(kind, async () => RESULT);
    expect(await ended(id)).toMatchObject({ state: 'FAILED', attempt: 6, error: { code: 'ABORTED' } });
  });

  test('queues what a lost bus forgot again, once each', async () => {
    const kind = freshKind();
    const queued = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    const orphan = await process.queue.submit({ kind, spec: spec(2), requestId: '' });
    const leaseUntil = new Date(Date.now() + 60_000).toISOString();
    await process.repository.update(orphan.id, (record) => ({ ...record, state: 'RUNNING', attempt: 1, leaseUntil }));
    expect(await process.queue.requeueUnfinished([kind], 'are-orphans')).toBe(2);
    const runs: string[] = [];
    work(kind, async ({ job }) => {
      runs.push(job.id);
      return RESULT;
    });
    expect(await ended(queued.id)).toMatchObject({ state: 'SUCCEEDED', attempt: 1 });
    expect(await ended(orphan.id)).toMatchObject({ state: 'SUCCEEDED', attempt: 2, setbacks: 1 });
    expect(runs.sort()).toEqual([queued.id, orphan.id].sort());
    expect(await process.queue.requeueUnfinished([kind], 'are-orphans')).toBe(0);
  });

  test('shows a watcher what happens while it happens', async () => {
    const kind = freshKind();
    const go = new Latch();
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    const live = watchJob(process.repository, process.bus, id, { signal: AbortSignal.timeout(20_000) });
    expect((await live.next()).value).toMatchObject({
      event: { $case: 'stateChange', value: { state: JobState.QUEUED } },
    });
    work(kind, async ({ emit }) => {
      await emit(metrics(1, 1));
      await go.opened;
      return RESULT;
    });
    expect((await live.next()).value).toMatchObject({
      event: { $case: 'stateChange', value: { state: JobState.RUNNING } },
    });
    expect((await live.next()).value).toMatchObject({ event: { $case: 'metrics', value: { step: 1 } } });
    const soFar: JobEvent[] = [];
    for await (const event of watchJob(process.repository, process.bus, id, {
      follow: false,
      signal: AbortSignal.timeout(20_000),
    })) {
      soFar.push(event);
    }
    expect(soFar.at(-1)).toMatchObject({ event: { $case: 'metrics', value: { step: 1 } } });
    go.open();
    expect((await live.next()).value).toMatchObject({
      event: { $case: 'stateChange', value: { state: JobState.SUCCEEDED, result: RESULT } },
    });
    expect((await live.next()).done).toBe(true);
  });

  test('estimates the time left and gives progress to those who only get the job', async () => {
    const kind = freshKind();
    const go = new Latch();
    work(kind, async (context) => {
      for (let done = 0; done <= 5; done++) {
        context.progress({ done, total: 10, unit: 'steps', message: 'attacking' });
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      await go.opened;
      return RESULT;
    });
    const { id } = await process.queue.submit({ kind, spec: spec(1), requestId: '' });
    await expect
      .poll(async () => (await process.repository.get(id)).progress, { timeout: 5_000 })
      .toMatchObject({ done: 5, total: 10, fraction: 0.5, etaSeconds: expect.any(Number) });
    go.open();
    await ended(id);
  });

  test('answers the calls of the Jobs service for its own kinds', async () => {
    const [kind, foreign] = [freshKind(), freshKind()];
    const server = await startService({
      name: 'jobs',
      services: [jobsService({ ...process, kinds: [kind] })],
      logger: createLogger('jobs', { level: 'silent' }),
    });
    const calls = createClient(JobsService, server.address);
    closers.push(async () => {
      calls.close();
      await server.close();
    });
    const ids: string[] = [];
    for (let n = 0; n < 3; n++) {
      ids.unshift((await process.queue.submit({ kind, spec: spec(n), requestId: `r${n}` })).id);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const other = await process.queue.submit({ kind: foreign, spec: spec(9), requestId: '' });
    const { job } = await calls.get({ jobId: ids[0] ?? '' });
    expect(job).toMatchObject({ id: ids[0], kind, state: JobState.QUEUED, spec: spec(2), requestId: 'r2', attempt: 0 });
    await expect(calls.get({ jobId: other.id })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(calls.get({ jobId: '../escape' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(calls.get({ jobId: '' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });

    const list = { kinds: [], states: [], pageSize: 2, pageToken: '' };
    const first = await calls.list(list);
    expect(first.jobs.map(({ id }) => id)).toEqual(ids.slice(0, 2));
    const second = await calls.list({ ...list, pageToken: first.nextPageToken });
    expect(second.jobs.map(({ id }) => id)).toEqual(ids.slice(2));
    expect(second.nextPageToken).toBe('');
    expect((await calls.list({ ...list, kinds: [foreign] })).jobs).toEqual([]);
    await expect(calls.list({ ...list, pageSize: 1_001, states: [JobState.UNSPECIFIED] })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'page_size' }, { field: 'states[0]' }],
    });
    await expect(calls.list({ ...list, pageToken: 'x' })).rejects.toMatchObject({
      violations: [{ field: 'page_token' }],
    });

    const cancelled = await calls.cancel({ jobId: ids[1] ?? '', requestId: 'c' });
    expect(cancelled.job?.state).toBe(JobState.CANCELLED);
    expect((await calls.list({ ...list, states: [JobState.QUEUED] })).jobs.map(({ id }) => id)).toEqual([
      ids[0],
      ids[2],
    ]);
    const watching = calls.watch({ jobId: ids[1] ?? '', afterSequence: 0, follow: true });
    const events: JobEvent[] = [];
    for await (const { event } of watching) {
      events.push(event ?? JobEvent.create());
    }
    expect(states(events).at(-1)).toBe(JobState.CANCELLED);
  });

  test('lists ended jobs without reading them again, however many there are', async () => {
    const kind = freshKind();
    const endAt = async (n: number): Promise<string> => {
      const { id } = await process.queue.submit({ kind, spec: spec(n), requestId: `ended-${n}` });
      await process.queue.cancel(id);
      return id;
    };
    const ids: string[] = [];
    for (let n = 0; n < 5; n++) ids.unshift(await endAt(n));
    const repository = new JobRepository(process.store);
    const filter = { kinds: [kind], states: [] };
    expect((await repository.list(filter, 10, '')).jobs.map(({ id }) => id)).toEqual(ids);
    const get = vi.spyOn(process.store, 'get');
    onTestFinished(() => get.mockRestore());
    ids.unshift(await endAt(5));
    get.mockClear();
    const { jobs } = await repository.list(filter, 3, '');
    expect(jobs.map(({ id, state }) => [id, state])).toEqual(ids.slice(0, 3).map((id) => [id, 'CANCELLED']));
    const read = get.mock.calls.map(([key]) => key);
    expect(read).toContain(`jobs/${ids[0]}/record.json`);
    expect(read.filter((key) => ids.slice(1).some((id) => key.includes(id)))).toEqual([]);
  });

  test('stops counting jobs at the number asked for', async () => {
    const kind = freshKind();
    for (let n = 0; n < 3; n++) await process.queue.submit({ kind, spec: spec(n), requestId: `counted-${n}` });
    const counted = async (states: readonly JobStateName[], most: number) =>
      await process.repository.count({ kinds: [kind], states }, most);
    expect(await counted(['QUEUED'], 10)).toBe(3);
    expect(await counted([], 2)).toBe(2);
    expect(await counted(['RUNNING'], 10)).toBe(0);
  });

  test('says which job it does not know', async () => {
    await expect(process.queue.cancel('nosuch')).rejects.toThrow(JobNotFoundError);
    const watching = watchJob(process.repository, process.bus, 'nosuch', { signal: AbortSignal.timeout(1_000) });
    await expect(watching.next()).rejects.toThrow('there is no job nosuch');
  });
});
