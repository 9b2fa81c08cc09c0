import { JobEvent } from '@percept/contracts';

export interface JobEventLogLimits {
  readonly maxEvents: number;
  /** Bytes of all events in the protobuf encoding. */
  readonly maxBytes: number;
}

export const DEFAULT_EVENT_LOG_LIMITS: JobEventLogLimits = { maxEvents: 4_000, maxBytes: 4 * 1024 * 1024 };

interface Entry {
  readonly event: JobEvent;
  /** Events of one key replace each other. */
  readonly replaceKey: string | undefined;
  readonly bytes: number;
}

/**
 * The events of a job that late watchers get to see: of progress and of each gallery row only the newest, of the rest all,
 * within limits. Beyond the limits the bulkiest kind is thinned out evenly, so that a training curve keeps its shape.
 */
export class JobEventLog {
  readonly #limits: JobEventLogLimits;
  #entries: Entry[] = [];
  #bytes = 0;

  constructor(events: readonly JobEvent[] = [], limits: JobEventLogLimits = DEFAULT_EVENT_LOG_LIMITS) {
    this.#limits = limits;
    for (const event of events) {
      this.append(event);
    }
  }

  get events(): readonly JobEvent[] {
    return this.#entries.map(({ event }) => event);
  }

  append(event: JobEvent): void {
    const replaceKey = replaceKeyOf(event);
    if (replaceKey !== undefined) {
      this.#keep((entry) => entry.replaceKey !== replaceKey);
    }
    const bytes = JobEvent.encode(event).finish().byteLength;
    this.#entries.push({ event, replaceKey, bytes });
    this.#bytes += bytes;
    while (this.#exceedsLimits() && this.#thinOut()) {}
  }

  #exceedsLimits(): boolean {
    return this.#entries.length > this.#limits.maxEvents || this.#bytes > this.#limits.maxBytes;
  }

  /** Drops every second event of the bulkiest kind, keeping its newest; false when nothing can be dropped. */
  #thinOut(): boolean {
    const kind = this.#bulkiestKind();
    const count = this.#entries.filter(({ event }) => event.event?.$case === kind).length;
    if (kind === undefined || count < 2) {
      return false;
    }
    let seen = 0;
    this.#keep(({ event }) => {
      if (event.event?.$case !== kind) {
        return true;
      }
      seen += 1;
      return (count - seen) % 2 === 0;
    });
    return true;
  }

  #bulkiestKind(): string | undefined {
    const byBytes = this.#bytes > this.#limits.maxBytes;
    const bulk = new Map<string, number>();
    for (const { event, bytes } of this.#entries) {
      const kind = event.event?.$case ?? '';
      bulk.set(kind, (bulk.get(kind) ?? 0) + (byBytes ? bytes : 1));
    }
    const [bulkiest] = [...bulk].sort(([, a], [, b]) => b - a);
    return bulkiest?.[0];
  }

  #keep(keeps: (entry: Entry) => boolean): void {
    this.#entries = this.#entries.filter(keeps);
    this.#bytes = this.#entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}

function replaceKeyOf({ event }: JobEvent): string | undefined {
  switch (event?.$case) {
    case 'progress':
      return 'progress';
    case 'gallery':
      return JSON.stringify([event.value.gallery, event.value.group, event.value.slots]);
    case 'profilePoint':
      return JSON.stringify([event.value.model, event.value.epsilon]);
    default:
      return undefined;
  }
}
