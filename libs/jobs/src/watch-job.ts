import type { Bus, ReceivedEvent } from '@percept/bus';
import type { JobEvent } from '@percept/contracts';
import { fromBusEvent, stateEvent } from './job-event.js';
import { isTerminal, type JobRecord } from './job-record.js';
import type { JobRepository } from './job-repository.js';

export interface WatchOptions {
  /** Events up to this sequence number are known already. Default 0. */
  readonly after?: number;
  /** Whether to go on until the job ends, or to end after what has happened so far. Default true. */
  readonly follow?: boolean;
  readonly signal: AbortSignal;
}

const POLL_MS = 2_000;
const QUIET_MS = 250;

/**
 * The job's events so far, then what follows, up to the change into a final state; then the iteration ends. Events come once and
 * in order, from the store where they are older than the bus.
 *
 * @throws JobNotFoundError.
 */
export async function* watchJob(
  repository: JobRepository,
  bus: Bus,
  id: string,
  options: WatchOptions,
): AsyncGenerator<JobEvent, void, void> {
  const follow = options.follow ?? true;
  await repository.get(id);
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  try {
    // Subscribed before the stored events are read, so that nothing falls between.
    const live = await bus.subscribeEvents({ job: id }, { from: 'start', signal });
    let last = options.after ?? 0;
    let next = live.next();
    let record = await repository.get(id);
    for (const event of await storedEvents(repository, record, last)) {
      last = event.sequence;
      yield event;
    }
    while (!isTerminal(record.state)) {
      const received = await nextWithin(next, follow ? POLL_MS : QUIET_MS);
      if (received?.done === true || (received === undefined && !follow)) {
        return;
      }
      if (received !== undefined) {
        next = live.next();
        const event = fromBusEvent(received.value);
        if (event.event === undefined || event.sequence <= last) {
          continue;
        }
        if (event.event.$case !== 'stateChange') {
          last = event.sequence;
          yield event;
          continue;
        }
      }
      record = await repository.get(id);
      if (isTerminal(record.state)) {
        // The worker stored its events before it ended the job; the bus may have lost some.
        for (const event of await storedEvents(repository, record, last)) {
          yield event;
        }
        return;
      }
      if (received !== undefined) {
        const event = fromBusEvent(received.value);
        last = event.sequence;
        yield event;
      }
    }
  } finally {
    ended.abort();
  }
}

/** What the store knows after a sequence number; the newest change of state is in the record alone. */
async function storedEvents(repository: JobRepository, record: JobRecord, after: number): Promise<JobEvent[]> {
  const events = await repository.readEvents(record.id);
  const others = events.filter(({ sequence }) => sequence !== record.stateSequence);
  return [...others, stateEvent(record)]
    .filter(({ sequence }) => sequence > after)
    .sort((a, b) => a.sequence - b.sequence);
}

/** What `next` gives within the time, or undefined; `next` stays usable. */
async function nextWithin(
  next: Promise<IteratorResult<ReceivedEvent, void>>,
  timeMs: number,
): Promise<IteratorResult<ReceivedEvent, void> | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, timeMs, undefined);
  });
  try {
    return await Promise.race([next, timeout]);
  } finally {
    clearTimeout(timer);
  }
}
