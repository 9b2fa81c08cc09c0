import type { Bus, ReceivedEvent } from '@percept/bus';
import { fromBusEvent, type JobEvent } from './job-event.js';
import { isTerminal, type JobRecord } from './job-record.js';
import type { JobRepository } from './job-repository.js';

/** What a watcher sees: the job whenever its state changed, and the events between. */
export type JobUpdate =
  | { readonly type: 'job'; readonly job: JobRecord }
  | { readonly type: 'event'; readonly event: JobEvent };

export interface WatchOptions {
  /** Events up to this sequence number are known already. Default 0. */
  readonly after?: number;
  readonly signal: AbortSignal;
}

const POLL_MS = 2_000;

/**
 * The job as it is, its events so far, then what follows, and the job once more when it has ended; then the iteration ends.
 * Events come once and in order, from the store where they are older than the bus.
 *
 * @throws JobNotFoundError.
 */
export async function* watchJob(
  repository: JobRepository,
  bus: Bus,
  id: string,
  options: WatchOptions,
): AsyncGenerator<JobUpdate, void, void> {
  let job = await repository.get(id);
  let last = options.after ?? 0;
  const ended = new AbortController();
  const signal = AbortSignal.any([options.signal, ended.signal]);
  try {
    // Subscribed before the stored events are read, so that nothing falls between.
    const live = await bus.subscribeEvents({ job: id }, { from: 'start', signal });
    yield { type: 'job', job };
    for (const event of await newerEvents(repository, id, last)) {
      last = event.sequence;
      yield { type: 'event', event };
    }
    let next = live.next();
    while (!isTerminal(job.state)) {
      const received = await nextWithin(next, POLL_MS);
      if (received?.done === true) {
        return;
      }
      if (received !== undefined) {
        next = live.next();
        const event = fromBusEvent(received.value);
        if (event.kind !== 'state') {
          if (isShown(event) && event.sequence > last) {
            last = event.sequence;
            yield { type: 'event', event };
          }
          continue;
        }
      }
      const current = await repository.get(id);
      const changed = current.state !== job.state || current.attempt !== job.attempt;
      job = current;
      if (changed && !isTerminal(job.state)) {
        yield { type: 'job', job };
      }
    }
    // The worker stored its events before it ended the job; the bus may have lost the last ones.
    for (const event of await newerEvents(repository, id, last)) {
      yield { type: 'event', event };
    }
    yield { type: 'job', job };
  } finally {
    ended.abort();
  }
}

async function newerEvents(repository: JobRepository, id: string, after: number): Promise<JobEvent[]> {
  const events = await repository.readEvents(id);
  return events.filter((event) => event.sequence > after && isShown(event));
}

/** States show in the job itself. */
function isShown(event: JobEvent): boolean {
  return event.kind !== 'state' && event.kind !== 'cancel';
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
