import {
  BodyTooLargeError,
  type Bus,
  BusClosedError,
  type BusEvent,
  InvalidSubjectError,
  type ReceivedEvent,
  type WorkItem,
} from '@percept/bus';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { busForms } from './bus-forms.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (data: Uint8Array): string => new TextDecoder().decode(data);

let eventNumber = 0;

function event(job: string, kind: string, body: string): BusEvent {
  eventNumber += 1;
  return {
    job,
    kind,
    id: `event-${eventNumber}`,
    source: '/percept/test',
    type: `percept.job.${kind}`,
    time: '2026-01-01T00:00:00.000Z',
    dataContentType: 'application/json',
    data: bytes(body),
  };
}

async function take(events: AsyncGenerator<ReceivedEvent, void, void>, count: number): Promise<ReceivedEvent[]> {
  const taken: ReceivedEvent[] = [];
  for await (const received of events) {
    taken.push(received);
    if (taken.length === count) {
      break;
    }
  }
  return taken;
}

describe.each(busForms.filter((form) => form.available))('the $name bus', (form) => {
  let started: Awaited<ReturnType<typeof form.start>>;
  let bus: Bus;

  beforeAll(async () => {
    started = await form.start();
    bus = await started.open();
  });

  afterAll(async () => {
    await started.stop();
  });

  /** Consumes until `count` handler calls were seen. */
  async function consumeUntil(
    kind: string,
    count: number,
    handler: (
      item: WorkItem,
    ) => Parameters<Bus['consume']>[1] extends (item: WorkItem) => infer Verdict ? Verdict : never,
    options: { ackWaitMs?: number; maxDeliveries?: number; onExhausted?: (item: WorkItem) => Promise<void> } = {},
  ): Promise<WorkItem[]> {
    const controller = new AbortController();
    const seen: WorkItem[] = [];
    await bus.consume(
      kind,
      async (item) => {
        seen.push(item);
        if (seen.length === count) {
          controller.abort();
        }
        return await handler(item);
      },
      { signal: controller.signal, ...options },
    );
    return seen;
  }

  test('hands out work in order, once, with its id, body and headers', async () => {
    for (const id of ['a', 'b', 'c']) {
      await bus.publishWork('order', id, bytes(`body ${id}`), { headers: { traceparent: `00-${id}` } });
    }
    const seen = await consumeUntil('order', 3, async () => ({ verdict: 'ack' }));
    expect(seen.map(({ id, body, headers, deliveries }) => [id, text(body), headers, deliveries])).toEqual([
      ['a', 'body a', { traceparent: '00-a' }, 1],
      ['b', 'body b', { traceparent: '00-b' }, 1],
      ['c', 'body c', { traceparent: '00-c' }, 1],
    ]);
  });

  test('drops a second publication under the same dedupe id of the same kind', async () => {
    await bus.publishWork('dedupe', 'a', bytes('first'), { dedupeId: 'same' });
    await bus.publishWork('dedupe', 'b', bytes('second'), { dedupeId: 'same' });
    await bus.publishWork('dedupe', 'c', bytes('third'), { dedupeId: 'other' });
    await bus.publishWork('dedupe-elsewhere', 'd', bytes('fourth'), { dedupeId: 'same' });
    const seen = await consumeUntil('dedupe', 2, async () => ({ verdict: 'ack' }));
    const elsewhere = await consumeUntil('dedupe-elsewhere', 1, async () => ({ verdict: 'ack' }));
    expect([...seen, ...elsewhere].map(({ id }) => id)).toEqual(['a', 'c', 'd']);
  });

  test('shares the work of a kind between consumers, one item each at a time', async () => {
    const other = await started.open();
    const controller = new AbortController();
    const running = new Set<string>();
    let bothRan = () => {};
    const together = new Promise<void>((resolve) => {
      bothRan = resolve;
    });
    const handledBy: string[] = [];
    const worker = (name: string) => async () => {
      expect(running.has(name)).toBe(false);
      running.add(name);
      if (running.size === 2) {
        bothRan();
      }
      await together;
      running.delete(name);
      handledBy.push(name);
      if (handledBy.length === 4) {
        controller.abort();
      }
      return { verdict: 'ack' } as const;
    };
    for (const id of ['s1', 's2', 's3', 's4']) {
      await bus.publishWork('shared', id, bytes(id));
    }
    await Promise.all([
      bus.consume('shared', worker('one'), { signal: controller.signal }),
      other.consume('shared', worker('two'), { signal: controller.signal }),
    ]);
    expect(new Set(handledBy)).toEqual(new Set(['one', 'two']));
    expect(handledBy).toHaveLength(4);
  });

  test('hands an item out again after a nak, not before its delay', async () => {
    await bus.publishWork('nak', 'n', bytes('n'));
    const times: number[] = [];
    const seen = await consumeUntil('nak', 2, async (item) => {
      times.push(performance.now());
      return item.deliveries === 1 ? { verdict: 'nak', delayMs: 300 } : { verdict: 'ack' };
    });
    expect(seen.map(({ deliveries }) => deliveries)).toEqual([1, 2]);
    expect((times[1] ?? 0) - (times[0] ?? 0)).toBeGreaterThan(280);
  });

  test('hands an item out again when its handler throws', async () => {
    await bus.publishWork('throw', 't', bytes('t'));
    const seen = await consumeUntil('throw', 2, async (item) => {
      if (item.deliveries === 1) {
        throw new Error('broken once');
      }
      return { verdict: 'ack' };
    });
    expect(seen.map(({ deliveries }) => deliveries)).toEqual([1, 2]);
  });

  test('never hands out an item again after term', async () => {
    await bus.publishWork('term', 'hopeless', bytes('x'));
    await bus.publishWork('term', 'marker', bytes('x'));
    const seen = await consumeUntil('term', 2, async (item) => ({ verdict: item.id === 'hopeless' ? 'term' : 'ack' }), {
      ackWaitMs: 1_000,
    });
    await bus.publishWork('term', 'last', bytes('x'));
    const later = await consumeUntil('term', 1, async () => ({ verdict: 'ack' }), { ackWaitMs: 1_000 });
    expect([...seen, ...later].map(({ id }) => id)).toEqual(['hopeless', 'marker', 'last']);
  });

  test('hands out again what a worker left unanswered for the acknowledgement wait', async () => {
    await bus.publishWork('left', 'l', bytes('l'));
    const seen = await consumeUntil('left', 2, async (item) => ({ verdict: item.deliveries === 1 ? 'leave' : 'ack' }), {
      ackWaitMs: 1_000,
    });
    expect(seen.map(({ id, deliveries }) => [id, deliveries])).toEqual([
      ['l', 1],
      ['l', 2],
    ]);
  });

  test('keeps a long-running item with its worker by heartbeats', async () => {
    await bus.publishWork('long', 'slow', bytes('x'));
    await bus.publishWork('long', 'next', bytes('x'));
    const seen = await consumeUntil(
      'long',
      2,
      async (item) => {
        if (item.id === 'slow') {
          await new Promise((resolve) => setTimeout(resolve, 2_500));
        }
        return { verdict: 'ack' };
      },
      { ackWaitMs: 1_000 },
    );
    expect(seen.map(({ id, deliveries }) => [id, deliveries])).toEqual([
      ['slow', 1],
      ['next', 1],
    ]);
  });

  test('gives up after the greatest number of deliveries and says so', async () => {
    await bus.publishWork('poison', 'p', bytes('p'));
    const exhausted: WorkItem[] = [];
    const controller = new AbortController();
    let handled = 0;
    await bus.consume(
      'poison',
      async () => {
        handled += 1;
        return { verdict: 'nak', delayMs: 10 };
      },
      {
        signal: controller.signal,
        maxDeliveries: 2,
        onExhausted: async (item) => {
          exhausted.push(item);
          controller.abort();
        },
      },
    );
    expect(handled).toBe(2);
    expect(exhausted.map(({ id, deliveries }) => [id, deliveries])).toEqual([['p', 3]]);
    const letters = (await bus.deadLetters()).filter(({ kind }) => kind === 'poison');
    expect(letters.map(({ id, reason }) => [id, reason])).toEqual([['p', 'given up after 2 deliveries']]);
  });

  test('keeps what is given up as a dead letter with the reason, and queues it again when asked', async () => {
    await bus.publishWork('dead', 'd', bytes('body'), { headers: { traceparent: 't' } });
    await consumeUntil('dead', 1, async () => ({ verdict: 'dead', reason: 'a reason, naïve' }));
    const [letter] = (await bus.deadLetters()).filter(({ kind }) => kind === 'dead');
    expect(letter).toMatchObject({ kind: 'dead', id: 'd', reason: 'a reason, naïve', deliveries: 1 });
    const sequence = letter?.sequence ?? 0;
    expect(await bus.requeueDeadLetter(sequence)).toMatchObject({ id: 'd' });
    const [again] = await consumeUntil('dead', 1, async () => ({ verdict: 'ack' }));
    expect(again).toMatchObject({ id: 'd', deliveries: 1, headers: { traceparent: 't' } });
    expect(Buffer.from(again?.body ?? []).toString()).toBe('body');
    expect(await bus.requeueDeadLetter(sequence)).toBeUndefined();
    expect((await bus.deadLetters()).filter(({ kind }) => kind === 'dead')).toEqual([]);
  });

  test('returns work that was never taken to a later consumer', async () => {
    const controller = new AbortController();
    const idle = bus.consume('idle', async () => ({ verdict: 'ack' }), { signal: controller.signal });
    controller.abort();
    await idle;
    await bus.publishWork('idle', 'i', bytes('i'));
    const seen = await consumeUntil('idle', 1, async () => ({ verdict: 'ack' }));
    expect(seen.map(({ id }) => id)).toEqual(['i']);
  });

  test('counts what is not done with: waiting, in a handler or put back', async () => {
    expect(await bus.unfinishedWork('counted')).toBe(0);
    for (const id of ['a', 'b', 'c', 'd']) {
      await bus.publishWork('counted', id, bytes(id));
    }
    await bus.publishWork('counted-elsewhere', 'e', bytes('e'));
    const counts = [await bus.unfinishedWork('counted')];
    await consumeUntil('counted', 4, async ({ id }) => {
      counts.push(await bus.unfinishedWork('counted'));
      if (id === 'a') {
        return { verdict: 'ack' };
      }
      if (id === 'b') {
        return { verdict: 'dead', reason: 'counted' };
      }
      return id === 'c' ? { verdict: 'nak', delayMs: 60_000 } : { verdict: 'term' };
    });
    expect(counts).toEqual([4, 4, 3, 2, 2]);
    await expect.poll(() => bus.unfinishedWork('counted')).toBe(1);
  });

  test('replays a job’s events to a late subscriber, then follows, in order', async () => {
    const controller = new AbortController();
    const published = [
      event('job-1', 'state', 'one'),
      event('job-1', 'progress', 'two'),
      event('other', 'state', 'no'),
    ];
    for (const item of published) {
      await bus.publishEvent(item);
    }
    const events = await bus.subscribeEvents({ job: 'job-1' }, { from: 'start', signal: controller.signal });
    const taking = take(events, 3);
    await bus.publishEvent(event('job-1', 'state', 'three'));
    const taken = await taking;
    expect(taken.map(({ data }) => text(data))).toEqual(['one', 'two', 'three']);
    const { sequence, headers, ...first } = taken[0] as ReceivedEvent;
    expect(first).toEqual(published[0]);
    expect(headers ?? {}).toEqual({});
    const sequences = taken.map((received) => received.sequence);
    expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
    expect(sequence).toBe(sequences[0]);
  });

  test('starts after a sequence number, or now', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    await bus.publishEvent(event('job-2', 'metrics', 'one'));
    await bus.publishEvent(event('job-2', 'metrics', 'two'));
    const [first] = await take(await bus.subscribeEvents({ job: 'job-2' }, { from: 'start', signal }), 1);
    const after = await bus.subscribeEvents({ job: 'job-2' }, { from: { after: first?.sequence ?? -1 }, signal });
    const now = await bus.subscribeEvents({ kind: 'metrics' }, { from: 'now', signal });
    await bus.publishEvent(event('job-2', 'metrics', 'three'));
    expect((await take(after, 2)).map(({ data }) => text(data))).toEqual(['two', 'three']);
    expect((await take(now, 1)).map(({ data }) => text(data))).toEqual(['three']);
  });

  test('drops a second publication of the same event', async () => {
    const controller = new AbortController();
    const once = event('job-3', 'state', 'once');
    await bus.publishEvent(once);
    await bus.publishEvent(once);
    await bus.publishEvent(event('job-3', 'state', 'end'));
    const events = await bus.subscribeEvents({ job: 'job-3' }, { from: 'start', signal: controller.signal });
    expect((await take(events, 2)).map(({ data }) => text(data))).toEqual(['once', 'end']);
  });

  test('delivers every event to every subscriber, however slow it reads', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const slow = await bus.subscribeEvents({ job: 'job-4' }, { from: 'start', signal });
    for (let n = 0; n < 300; n++) {
      await bus.publishEvent(event('job-4', 'progress', String(n)));
    }
    const fast = await bus.subscribeEvents({ job: 'job-4' }, { from: 'start', signal });
    const expected = Array.from({ length: 300 }, (_, n) => String(n));
    expect((await take(fast, 300)).map(({ data }) => text(data))).toEqual(expected);
    expect((await take(slow, 300)).map(({ data }) => text(data))).toEqual(expected);
  });

  test('ends a waiting subscription when its signal fires', async () => {
    const controller = new AbortController();
    const events = await bus.subscribeEvents({ job: 'silent' }, { from: 'start', signal: controller.signal });
    const next = events.next();
    controller.abort();
    expect(await next).toEqual({ value: undefined, done: true });
  });

  test.each(['', 'a.b', 'a b', '*', '>', 'é', 'x'.repeat(129)])('refuses the kind %j', async (kind) => {
    await expect(bus.publishWork(kind, 'id', bytes(''))).rejects.toThrow(InvalidSubjectError);
    await expect(bus.publishEvent(event('job', kind, ''))).rejects.toThrow(InvalidSubjectError);
    await expect(bus.publishEvent(event(kind, 'kind', ''))).rejects.toThrow(InvalidSubjectError);
  });

  test('refuses a body that NATS would not carry', async () => {
    const body = new Uint8Array(1_000_001);
    await expect(bus.publishWork('big', 'id', body)).rejects.toThrow(BodyTooLargeError);
    await expect(bus.publishEvent({ ...event('job', 'big', ''), data: body })).rejects.toThrow(BodyTooLargeError);
    await bus.publishWork('big', 'fits', body.subarray(0, 1_000_000));
  });

  test('closing waits for the running handler, ends the rest and refuses what follows', async () => {
    const closing = await form.start();
    const own = await closing.open();
    const controller = new AbortController();
    const events = await own.subscribeEvents({ job: 'closing' }, { from: 'start', signal: controller.signal });
    const waiting = events.next();
    let finished = false;
    let handling = () => {};
    const entered = new Promise<void>((resolve) => {
      handling = resolve;
    });
    const consuming = own.consume(
      'closing',
      async () => {
        handling();
        await new Promise((resolve) => setTimeout(resolve, 100));
        finished = true;
        return { verdict: 'ack' };
      },
      { signal: controller.signal },
    );
    await own.publishWork('closing', 'c', bytes('c'));
    await entered;
    await own.close();
    expect(finished).toBe(true);
    await consuming;
    expect(await waiting).toEqual({ value: undefined, done: true });
    await expect(own.publishWork('closing', 'd', bytes('d'))).rejects.toThrow(BusClosedError);
    await expect(own.publishEvent(event('closing', 'state', ''))).rejects.toThrow(BusClosedError);
    await closing.stop();
  });
});
