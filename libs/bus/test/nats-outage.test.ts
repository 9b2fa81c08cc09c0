import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BusUnavailableError, launchNatsServer, NatsServerError, natsBus } from '@percept/bus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { busForms } from './bus-forms.js';

const available = busForms.some((form) => form.name === 'nats' && form.available);

describe.skipIf(!available)('natsBus over a server that goes away', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'percept-outage-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test('keeps work and events over a restart, and publishes and consumes again', async () => {
    const first = await launchNatsServer({ directory });
    const port = Number(new URL(first.url).port);
    const bus = await natsBus({ servers: [first.url], onError: () => {} });
    const controller = new AbortController();
    const seen: string[] = [];
    const encoder = new TextEncoder();
    const publishEvent = (id: string) =>
      bus.publishEvent({
        job: 'job',
        kind: 'state',
        id,
        source: '/percept/test',
        type: 'percept.job.state',
        time: '2026-01-01T00:00:00.000Z',
        dataContentType: 'application/json',
        data: encoder.encode('{}'),
      });
    const events = await bus.subscribeEvents({ job: 'job' }, { from: 'start', signal: controller.signal });
    await bus.publishWork('train', 'before', encoder.encode('x'));
    await publishEvent('before');
    await first.close();
    const publishing = Promise.all([bus.publishWork('train', 'during', encoder.encode('x')), publishEvent('during')]);
    const second = await launchNatsServer({ directory, port });
    try {
      await publishing;
      await bus.consume(
        'train',
        async (item) => {
          seen.push(item.id);
          if (seen.length === 2) {
            controller.abort();
          }
          return { verdict: 'ack' };
        },
        { signal: controller.signal },
      );
      expect(seen).toEqual(['before', 'during']);
      const replayed = await bus.subscribeEvents(
        { job: 'job' },
        { from: 'start', signal: AbortSignal.timeout(20_000) },
      );
      expect((await replayed.next()).value).toMatchObject({ id: 'before' });
      expect((await replayed.next()).value).toMatchObject({ id: 'during' });
      await events.return();
    } finally {
      await bus.close();
      await second.close();
    }
  });

  test('says so when no server answers', async () => {
    const server = await launchNatsServer({ directory });
    await server.close();
    await expect(natsBus({ servers: [server.url], onError: () => {} })).rejects.toThrow(BusUnavailableError);
  });

  test('says why a server does not start', async () => {
    const server = await launchNatsServer({ directory });
    const port = Number(new URL(server.url).port);
    try {
      await expect(launchNatsServer({ port })).rejects.toThrow(/address already in use/);
      await expect(launchNatsServer({ program: '/nonexistent/nats-server' })).rejects.toThrow(NatsServerError);
    } finally {
      await server.close();
    }
  });
});
