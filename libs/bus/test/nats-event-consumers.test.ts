import { launchNatsServer, natsBus } from '@percept/bus';
import { connect } from 'nats';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { busForms } from './bus-forms.js';

const available = busForms.some((form) => form.name === 'nats' && form.available);

describe.skipIf(!available)('a subscription over natsBus', () => {
  test('leaves no consumer on the server when it ends', async () => {
    const server = await launchNatsServer();
    onTestFinished(() => server.close());
    const bus = await natsBus({ servers: [server.url], onError: () => {} });
    onTestFinished(() => bus.close());
    const connection = await connect({ servers: server.url });
    onTestFinished(() => connection.close());
    const { streams } = await connection.jetstreamManager();
    const consumers = async (): Promise<number> => (await streams.info('PERCEPT_EVENTS')).state.consumer_count;
    const ending = new AbortController();
    const { signal } = ending;
    const first = await bus.subscribeEvents({ job: 'one' }, { from: 'start', signal });
    const second = await bus.subscribeEvents({ job: 'two' }, { from: 'now', signal });
    const ends = [first.next(), second.next()];
    expect(await consumers()).toBe(2);
    ending.abort();
    expect(await Promise.all(ends)).toMatchObject([{ done: true }, { done: true }]);
    await vi.waitFor(async () => expect(await consumers()).toBe(0), 5_000);
  });
});
