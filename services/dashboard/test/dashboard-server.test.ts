import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { JobState, LogLevel } from '@percept/contracts';
import { InsecureListenError, TokenTable } from '@percept/platform';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Dashboard, type DashboardOptions, PageMissingError, startDashboard } from '../src/index.js';
import type { JobBatchView, JobEventView, JobsChangeView } from '../src/views.js';
import { type JobBoundary, startJobBoundary } from './job-boundary.js';
import { type EventStream, openEvents, type ReceivedEvent } from './sse-client.js';

const tokens = new TokenTable([]).with({
  name: 'all',
  token: 's3cret',
  expires: new Date('2100-01-01'),
  scopes: ['dashboard:*'],
});

let boundary: JobBoundary;
let dashboard: Dashboard;
let pageFolder: string;
const streams: EventStream[] = [];
const errors: unknown[] = [];

async function start(options: Partial<DashboardOptions> = {}): Promise<Dashboard> {
  const { address } = boundary;
  return startDashboard({
    endpoints: { dataset: address, training: address, attack: address, evaluation: address },
    pageFolder,
    pollMilliseconds: 20,
    timing: { window: 10, heartbeat: 20 },
    onError: (error) => errors.push(error),
    ...options,
  });
}

async function open(target: string, headers?: Record<string, string>): Promise<EventStream> {
  const stream = await openEvents(`${dashboard.url}${target}`, headers);
  streams.push(stream);
  return stream;
}

function eventsOf(received: readonly ReceivedEvent[]): JobEventView[] {
  return received.flatMap((each) => (each.name === 'batch' ? (each.data as JobBatchView).events : []));
}

/** Sends a request target as it is, without the normalisation that clients do. */
function rawStatus(port: number, target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
    });
    let text = '';
    socket.on('data', (piece) => {
      text += piece;
    });
    socket.on('end', () => resolve(text));
    socket.on('error', reject);
  });
}

beforeEach(async () => {
  pageFolder = await mkdtemp(path.join(tmpdir(), 'dashboard-page-'));
  await writeFile(path.join(pageFolder, 'index.html'), '<!doctype html><title>Percept</title>');
  boundary = await startJobBoundary();
  boundary.putJob({
    id: 'job-1',
    kind: 'training',
    state: JobState.RUNNING,
    startTime: new Date(1_000),
    spec: {
      spec: { $case: 'training', value: { recipe: 'pgd', dataset: 'mnist-sample', parameters: { epsilon: 0.2 } } },
    },
    progress: { fraction: 0.25, done: 5, total: 20, unit: 'steps', message: 'epoch 1' },
    worker: 'worker-1',
    environment: { engine: 'native' },
  });
  dashboard = await start();
});

afterEach(async () => {
  for (const stream of streams.splice(0)) stream.close();
  await dashboard.close();
  boundary.stop();
  await rm(pageFolder, { recursive: true });
  expect(errors.splice(0)).toEqual([]);
});

describe('the page', () => {
  it('is served with a content security policy that allows no foreign and no inline script', async () => {
    const response = await fetch(dashboard.url);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('text/html; charset=utf-8');
    const policy = response.headers.get('content-security-policy') ?? '';
    expect(policy).toContain("default-src 'self'");
    expect(policy).toContain("img-src 'self' data: blob:");
    expect(policy).not.toContain('unsafe');
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  });

  it.each([
    '/../package.json',
    '/assets/../../../package.json',
    '/%2e%2e/%2e%2e/etc/passwd',
    '/..%2f..%2fetc%2fpasswd',
    '//etc/passwd',
    '/etc/passwd',
  ])('answers 404 for %s', async (target) => {
    const answer = await rawStatus(dashboard.port, target);
    expect(answer).toMatch(/^HTTP\/1\.1 404 /);
    expect(answer).not.toContain('root:');
  });

  it('refuses a target that is not a path', async () => {
    expect(await rawStatus(dashboard.port, 'http://other.example/')).toMatch(/^HTTP\/1\.1 400 /);
  });

  it('must have been built', async () => {
    await expect(start({ pageFolder: path.join(pageFolder, 'nothing') })).rejects.toThrow(PageMissingError);
  });
});

describe('the API', () => {
  const read = async (target: string): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(`${dashboard.url}${target}`);
    return { status: response.status, body: await response.json() };
  };

  it('lists jobs with filter, order and pages', async () => {
    boundary.putJob({ id: 'job-2', kind: 'report', state: JobState.SUCCEEDED, startTime: new Date(2_000) });
    boundary.putJob({ id: 'job-3', kind: 'report', state: JobState.QUEUED });
    const ids = async (query: string): Promise<string[]> =>
      ((await read(`api/jobs${query}`)).body as { jobs: { id: string }[] }).jobs.map((job) => job.id);
    expect(await ids('?sort=started')).toEqual(['job-1', 'job-2', 'job-3']);
    expect(await ids('?sort=-started')).toEqual(['job-2', 'job-1', 'job-3']);
    expect(await ids('?state=running,queued&kind=report')).toEqual(['job-3']);
    expect(await ids('?text=mnist')).toEqual(['job-1']);
    expect((await read('api/jobs?sort=started&page=2&pageSize=2')).body).toMatchObject({
      jobs: [{ id: 'job-3' }],
      total: 3,
    });
  });

  it('gives a job with its specification and environment', async () => {
    expect((await read('api/jobs/job-1')).body).toMatchObject({
      id: 'job-1',
      state: 'running',
      models: ['pgd'],
      dataset: 'mnist-sample',
      progress: { done: 5, total: 20 },
      spec: { recipe: 'pgd', parameters: { epsilon: 0.2 } },
      environment: { engine: 'native' },
    });
  });

  it.each([
    ['api/jobs/unknown', 404, /there is no job unknown/],
    ['api/jobs?state=lost', 400, /state/],
    ['api/jobs?sort=colour', 400, /sort/],
    ['api/jobs?pageSize=0', 400, /pageSize/],
    ['api/jobs?page=1.5', 400, /page/],
    ['api/nothing', 404, /nothing at/],
    ['api/jobs/%ff', 400, /percent-encoding/],
    ['events?job=unknown', 404, /there is no job unknown/],
    ['api/recipes', 501, /./],
  ])('%s answers %i', async (target, status, message) => {
    const answer = await read(target);
    expect(answer.status).toBe(status);
    expect((answer.body as { error: { message: string } }).error.message).toMatch(message);
  });

  it('cancels a job for its own page and not for another site', async () => {
    const cancel = (headers: Record<string, string>): Promise<Response> =>
      fetch(`${dashboard.url}api/jobs/job-1/cancel`, { method: 'POST', headers });
    expect((await cancel({ origin: 'http://evil.example' })).status).toBe(403);
    expect((await fetch(`${dashboard.url}api/jobs/job-1/cancel`)).status).toBe(405);
    expect((await read('api/jobs/job-1')).body).toMatchObject({ cancelRequested: false });
    const response = await cancel({ origin: `http://127.0.0.1:${dashboard.port}` });
    expect(await response.json()).toMatchObject({ id: 'job-1', cancelRequested: true });
  });

  it('lists models and passes their weights on', async () => {
    boundary.addModel({ id: 'm1', name: 'pgd', version: 2, digest: 'ab', metrics: { clean_accuracy: 0.97 } });
    expect((await read('api/models')).body).toMatchObject({
      models: [{ id: 'm1', version: '2', cleanAccuracy: 0.97 }],
    });
    const response = await fetch(`${dashboard.url}api/models/m1/files/weights.safetensors`);
    expect(response.headers.get('content-disposition')).toContain('m1.safetensors');
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(new Uint8Array(2_500).fill(7));
  });

  it('passes the files of a report on, without letting them run scripts', async () => {
    const svg = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${'<g/>'.repeat(900)}</svg>`);
    boundary.addReport('r 1', { models: ['pgd'] }, { 'figures/figure-4-1.svg': ['image/svg+xml', svg] });
    const report = (await read('api/reports/r%201')).body as { artifacts: { href: string }[] };
    expect(report).toMatchObject({ id: 'r 1', report: { models: ['pgd'] } });
    const response = await fetch(new URL(report.artifacts[0]?.href ?? '', dashboard.url));
    expect(response.headers.get('content-type')).toBe('image/svg+xml');
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'.*sandbox/);
    expect(Buffer.from(await response.arrayBuffer()).equals(svg)).toBe(true);
    expect((await read('api/reports/r%201/files/other.svg')).status).toBe(404);
    expect((await read('api/reports/none')).status).toBe(404);
  });

  it('says so when no service answers, and goes on when one does again', async () => {
    boundary.stop();
    expect(await read('api/jobs')).toMatchObject({ status: 200, body: { jobs: [], total: 0 } });
    const services = ((await read('api/jobs')).body as { services: { name: string; serving: boolean }[] }).services;
    expect(services.find((service) => service.name.includes('training'))?.serving).toBe(false);
    expect(await read('api/models')).toMatchObject({
      status: 503,
      body: { error: { code: 'UNAVAILABLE', message: 'A service does not answer.' } },
    });
    await boundary.start();
    await expect.poll(async () => (await read('api/models')).status, { timeout: 10_000 }).toBe(200);
  });
});

describe('the events of a job', () => {
  const metric = (step: number): number =>
    boundary.emit('job-1', {
      $case: 'metrics',
      value: {
        step,
        epoch: 0,
        model: '',
        metrics: [
          { name: 'train_loss', value: 1 / (1 + step) },
          { name: 'learning_rate', value: 0.1 },
        ],
      },
    });

  it('are replayed and then followed, numbered by their sequence', async () => {
    const first = metric(0);
    const stream = await open('events?job=job-1');
    expect(stream.headers['content-type']).toContain('text/event-stream');
    expect(stream.headers['x-accel-buffering']).toBe('no');
    const replayed = await stream.until((event) => event.id === String(first));
    expect(eventsOf(replayed).map((event) => event.kind === 'metric' && event.series)).toEqual([
      'train_loss',
      'learning_rate',
    ]);
    const second = metric(1);
    const followed = await stream.until((event) => event.id === String(second));
    expect(eventsOf(followed)).toMatchObject([
      { step: 1, value: 0.5 },
      { step: 1, value: 0.1 },
    ]);
  });

  it('go on after Last-Event-ID without a gap and without a repetition', async () => {
    const ids = [0, 1, 2, 3].map(metric);
    const stream = await open('events?job=job-1', { 'last-event-id': String(ids[1]) });
    const received = await stream.until((event) => event.id === String(ids[3]));
    expect(eventsOf(received).map((event) => event.sequence)).toEqual([ids[2], ids[2], ids[3], ids[3]]);
    expect(boundary.watchRequests.at(-1)?.afterSequence).toBe(ids[1]);
  });

  it('refuse a Last-Event-ID that is no number', async () => {
    const stream = await open('events?job=job-1', { 'last-event-id': 'abc' });
    expect(stream.status).toBe(400);
  });

  it('carry logs, states, profile points and pictures', async () => {
    boundary.emit('job-1', { $case: 'log', value: { level: LogLevel.WARNING, message: 'careful' } });
    boundary.emit('job-1', {
      $case: 'profilePoint',
      value: { model: 'pgd', epsilon: 0.2, accuracy: 0.8, samples: 100, lower: 0.7, upper: 0.9, provisional: true },
    });
    const last = boundary.emit('job-1', {
      $case: 'gallery',
      value: {
        gallery: 'figure-4.2',
        group: 'pgd',
        step: 10,
        totalSteps: 20,
        images: { dtype: 3, shape: [2, 2, 2, 1], data: Uint8Array.from([0, 1, 2, 3, 4, 5, 6, 7]) },
        slots: ['seven', 'eight'],
        captions: [],
        successes: [true, false],
      },
    });
    const stream = await open('events?job=job-1');
    const events = eventsOf(await stream.until((event) => event.id === String(last)));
    expect(events).toMatchObject([
      { kind: 'log', level: 'warning', message: 'careful' },
      { kind: 'profile', model: 'pgd', epsilon: 0.2, accuracy: 0.8 },
      {
        kind: 'picture',
        picture: { group: 'figure-4.2 · pgd', slot: 'seven', caption: 'seven', step: 10, success: true },
      },
      { kind: 'picture', picture: { slot: 'eight', success: false } },
    ]);
    const hrefs = events.flatMap((event) => (event.kind === 'picture' ? [event.picture.href] : []));
    expect(new Set(hrefs).size).toBe(2);
    for (const href of hrefs) expect(href).toMatch(/^data:image\/png;base64,iVBOR/);
  });

  it('are joined to few updates, and a replay of thousands loses no end', async () => {
    let last = 0;
    for (let step = 0; step < 3_000; step++) last = metric(step);
    const stream = await open('events?job=job-1');
    const received = await stream.until((event) => event.id === String(last));
    expect(received.length).toBeLessThan(600);
    expect(eventsOf(received).at(-1)).toMatchObject({ step: 2_999 });
  });

  it('end with the job', async () => {
    metric(0);
    const stream = await open('events?job=job-1');
    await stream.until((event) => event.name === 'batch');
    boundary.emit('job-1', { $case: 'stateChange', value: { state: JobState.SUCCEEDED, attempt: 1 } });
    boundary.putJob({ id: 'job-1', kind: 'training', state: JobState.SUCCEEDED });
    boundary.finish('job-1');
    const rest = await stream.rest();
    expect(eventsOf(rest)).toMatchObject([{ kind: 'state', state: 'succeeded' }]);
    expect(rest.at(-1)?.name).toBe('end');
  });

  it('go on when the service ends the stream before the job is over', async () => {
    const first = metric(0);
    const stream = await open('events?job=job-1');
    await stream.until((event) => event.id === String(first));
    boundary.finish('job-1');
    await stream.until((event) => event.name === 'source');
    const second = metric(1);
    const received = await stream.until((event) => event.id === String(second));
    expect(eventsOf(received).map((event) => event.sequence)).toEqual([second, second]);
  });

  it('survive an outage of the service, telling of it', async () => {
    const first = metric(0);
    const stream = await open('events?job=job-1');
    await stream.until((event) => event.id === String(first));
    boundary.stop();
    const outage = await stream.until((event) => event.name === 'source');
    expect(outage.at(-1)?.data).toMatchObject({ serving: false });
    const second = metric(1);
    await boundary.start();
    const recovered = await stream.until((event) => event.id === String(second));
    expect(eventsOf(recovered).map((event) => event.sequence)).toEqual([second, second]);
  });

  it('stop being watched when the client goes', async () => {
    const stream = await open('events?job=job-1');
    await expect.poll(() => boundary.openWatches()).toBe(1);
    stream.close();
    await expect.poll(() => boundary.openWatches()).toBe(0);
  });

  it('send a comment now and then, so that no proxy closes', async () => {
    const stream = await open('events?job=job-1');
    await expect.poll(() => stream.comments.length).toBeGreaterThan(1);
  });
});

describe('the events of all jobs', () => {
  const change = (event: ReceivedEvent | undefined): JobsChangeView => event?.data as JobsChangeView;
  const isJobs = (event: ReceivedEvent): boolean => event.name === 'jobs';

  it('begin with all jobs and go on with what changed', async () => {
    const stream = await open('events');
    const whole = change((await stream.until(isJobs)).at(-1));
    expect(whole).toMatchObject({ reset: true, changed: [{ id: 'job-1' }] });
    boundary.putJob({ id: 'job-2', kind: 'attack', state: JobState.QUEUED });
    expect(change((await stream.until(isJobs)).at(-1))).toMatchObject({ reset: false, changed: [{ id: 'job-2' }] });
    boundary.dropJob('job-1');
    expect(change((await stream.until(isJobs)).at(-1))).toMatchObject({
      reset: false,
      changed: [],
      removed: ['job-1'],
    });
  });

  it('tell after a break only what changed since, and all after an unknown number', async () => {
    const stream = await open('events');
    const id = (await stream.until(isJobs)).at(-1)?.id ?? '';
    boundary.putJob({ id: 'job-2', kind: 'attack', state: JobState.QUEUED });
    await stream.until(isJobs);
    const resumed = await open('events', { 'last-event-id': id });
    expect(change((await resumed.until(isJobs)).at(-1))).toMatchObject({ reset: false, changed: [{ id: 'job-2' }] });
    const foreign = await open('events', { 'last-event-id': 'other.7' });
    const whole = change((await foreign.until(isJobs)).at(-1));
    expect(whole.reset).toBe(true);
    expect(whole.changed).toHaveLength(2);
  });

  it('keep the jobs of a service that is away, and say that it is', async () => {
    const stream = await open('events');
    await stream.until(isJobs);
    boundary.stop();
    const isDown = (event: ReceivedEvent): boolean =>
      event.name === 'services' && (event.data as { serving: boolean }[]).some((service) => !service.serving);
    const received = await stream.until(isDown);
    expect(received.filter(isJobs)).toEqual([]);
  });
});

describe('access', () => {
  it('from elsewhere needs TLS and tokens', async () => {
    await expect(start({ host: '0.0.0.0' })).rejects.toThrow(InsecureListenError);
    await expect(start({ host: '0.0.0.0', access: { tokens } })).rejects.toThrow(/without TLS/);
  });

  it('with a token goes by header or cookie, on every address', async () => {
    const guarded = await start({ access: { tokens } });
    try {
      for (const target of ['', 'api/jobs', 'events', 'api/jobs/job-1']) {
        expect((await fetch(`${guarded.url}${target}`)).status).toBe(401);
      }
      const authorised = await fetch(`${guarded.url}api/jobs`, { headers: { authorization: 'Bearer s3cret' } });
      expect(authorised.status).toBe(200);
      const entered = await fetch(`${guarded.url}?token=s3cret`, { redirect: 'manual' });
      expect(entered.status).toBe(303);
      expect(entered.headers.get('location')).toBe('/');
      const cookie = entered.headers.get('set-cookie')?.split(';')[0] ?? '';
      expect((await fetch(`${guarded.url}api/jobs`, { headers: { cookie } })).status).toBe(200);
      expect((await fetch(`${guarded.url}?token=wrong`, { redirect: 'manual' })).status).toBe(401);
      expect((await fetch(`${guarded.url}healthz`)).status).toBe(200);
    } finally {
      await guarded.close();
    }
  });

  it('without a token is refused under a name that is not loopback', async () => {
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const call = httpRequest({
        port: dashboard.port,
        host: '127.0.0.1',
        path: '/',
        headers: { host: 'rebound.example' },
      });
      call.once('response', (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      call.once('error', reject);
      call.end();
    });
    expect(status).toBe(403);
  });
});

describe('close', () => {
  it('ends open streams and frees the port', async () => {
    const own = await start();
    const stream = await openEvents(`${own.url}events`);
    await own.close();
    await stream.rest();
    await expect(fetch(own.url)).rejects.toThrow();
  });
});
