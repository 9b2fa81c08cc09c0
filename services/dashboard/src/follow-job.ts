import { PerceptRpcError } from '@percept/contracts';
import { coalesceEvents } from './coalesce-events.js';
import { EventBuffer } from './event-buffer.js';
import type { ChannelTiming, EventChannel } from './event-channel.js';
import { asHttpError } from './http-error.js';
import { pause } from './pause.js';
import type { JobBatchView, JobEventView } from './views.js';

/** Yields a job's events after a sequence number, those of one number together, and goes on until the job is over. */
export type WatchJob = (id: string, after: number, signal: AbortSignal) => AsyncIterable<readonly JobEventView[]>;

const firstWait = 500;
const longestWait = 5_000;

const passing: ReadonlySet<string> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED', 'CANCELLED']);

async function readInto(
  buffer: EventBuffer,
  channel: EventChannel,
  watch: WatchJob,
  id: string,
  after: number,
): Promise<void> {
  let cursor = after;
  let wait = firstWait;
  let lost = false;
  while (!channel.signal.aborted) {
    try {
      for await (const events of watch(id, cursor, channel.signal)) {
        if (lost) await channel.send('source', { serving: true, message: '' });
        lost = false;
        wait = firstWait;
        const sequence = events[0]?.sequence;
        if (sequence === undefined || sequence <= cursor) continue;
        cursor = sequence;
        await buffer.put(events);
      }
      return;
    } catch (error) {
      if (channel.signal.aborted) return;
      if (!(error instanceof PerceptRpcError) || !passing.has(error.code)) throw error;
      if (error.code === 'UNAVAILABLE') {
        lost = true;
        await channel.send('source', { serving: false, message: asHttpError(error).message });
      }
      await pause(wait, channel.signal);
      wait = Math.min(longestWait, wait * 2);
    }
  }
}

/**
 * Sends a job's events to one client, from after a sequence number until the job is over or the client goes.
 * The `id` of each `batch` is the last sequence number in it; `end` follows the last one; `source` tells that the job's service
 * is away or back; `failure` ends a stream that cannot go on.
 */
export async function followJob(
  channel: EventChannel,
  watch: WatchJob,
  id: string,
  after: number,
  timing: ChannelTiming,
): Promise<void> {
  const buffer = new EventBuffer();
  let failure: unknown;
  const reading = readInto(buffer, channel, watch, id, after)
    .catch((error: unknown) => {
      failure = error;
    })
    .finally(() => buffer.end());
  channel.signal.addEventListener('abort', () => buffer.end(), { once: true });
  // What happened before comes at once; a short wait lets it fill the first update.
  await pause(timing.window / 8, channel.signal);
  while (!channel.signal.aborted) {
    const events = coalesceEvents(await buffer.take());
    const last = events.at(-1);
    if (last === undefined) break;
    const batch: JobBatchView = { events };
    await channel.send('batch', batch, String(last.sequence));
    await pause(timing.window, channel.signal);
  }
  await reading;
  if (failure !== undefined) await channel.send('failure', { message: asHttpError(failure).message });
  else await channel.send('end', {});
  channel.close();
}
