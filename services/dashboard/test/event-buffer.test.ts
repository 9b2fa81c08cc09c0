import { describe, expect, it } from 'vitest';
import { EventBuffer } from '../src/event-buffer.js';
import type { JobEventView } from '../src/views.js';

function line(sequence: number, message = ''): JobEventView {
  return { kind: 'log', sequence, at: 0, level: 'info', message };
}

describe('EventBuffer', () => {
  it('makes its producer wait while it is full, and loses nothing', async () => {
    const buffer = new EventBuffer({ events: 3, characters: 1_000 });
    let put = 0;
    const producing = (async () => {
      for (let sequence = 1; sequence <= 10; sequence++) {
        await buffer.put([line(sequence)]);
        put = sequence;
      }
      buffer.end();
    })();
    const taken: number[] = [];
    for (;;) {
      const events = await buffer.take();
      if (events.length === 0) break;
      expect(events.length).toBeLessThanOrEqual(3);
      taken.push(...events.map((event) => event.sequence));
      expect(put).toBeLessThanOrEqual(taken.length + 3);
    }
    await producing;
    expect(taken).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('counts the weight of long messages', async () => {
    const buffer = new EventBuffer({ events: 100, characters: 10 });
    await buffer.put([line(1, 'x'.repeat(20))]);
    const second = buffer.put([line(2)]);
    expect((await buffer.take()).map((event) => event.sequence)).toEqual([1]);
    await second;
    expect((await buffer.take()).map((event) => event.sequence)).toEqual([2]);
  });

  it('lets both sides go when it ends', async () => {
    const buffer = new EventBuffer({ events: 1, characters: 10 });
    await buffer.put([line(1)]);
    const waiting = buffer.put([line(2)]);
    buffer.end();
    await waiting;
    await buffer.take();
    expect(await buffer.take()).toEqual([]);
  });
});
