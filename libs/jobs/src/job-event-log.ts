import type { JobEvent } from './job-event.js';

export interface JobEventLogLimits {
  readonly maxEvents: number;
  /** Bytes of all events as JSON. */
  readonly maxBytes: number;
}

export const DEFAULT_EVENT_LOG_LIMITS: JobEventLogLimits = { maxEvents: 4_000, maxBytes: 4 * 1024 * 1024 };

interface Entry {
  readonly event: JobEvent;
  readonly bytes: number;
}

/**
 * The events of a job that late watchers get to see: of progress only the newest, of the rest all, within limits.
 * Beyond the limits the bulkiest kind is thinned out evenly, so that a training curve keeps its shape.
 */
export class JobEventLog {
  readonly #limits: JobEventLogLimits;
  #entries: Entry[];
  #bytes = 0;

  constructor(events: readonly JobEvent[] = [], limits: JobEventLogLimits = DEFAULT_EVENT_LOG_LIMITS) {
    this.#limits = limits;
    this.#entries = [];
    for (const event of events) {
      this.append(event);
    }
  }

  get events(): readonly JobEvent[] {
    return this.#entries.map(({ event }) => event);
  }

  append(event: JobEvent): void {
    if (event.kind === 'progress') {
      this.#keep((entry) => entry.event.kind !== 'progress');
    }
    const entry = { event, bytes: JSON.stringify(event).length };
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    while (this.#exceedsLimits() && this.#thinOut()) {}
  }

  #exceedsLimits(): boolean {
    return this.#entries.length > this.#limits.maxEvents || this.#bytes > this.#limits.maxBytes;
  }

  /** Drops every second event of the bulkiest kind, keeping its newest; false when nothing can be dropped. */
  #thinOut(): boolean {
    const kind = this.#bulkiestKind();
    const count = this.#entries.filter(({ event }) => event.kind === kind).length;
    if (kind === undefined || count < 2) {
      return false;
    }
    let seen = 0;
    this.#keep(({ event }) => {
      if (event.kind !== kind) {
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
      bulk.set(event.kind, (bulk.get(event.kind) ?? 0) + (byBytes ? bytes : 1));
    }
    const [bulkiest] = [...bulk].sort(([, a], [, b]) => b - a);
    return bulkiest?.[0];
  }

  #keep(keeps: (entry: Entry) => boolean): void {
    this.#entries = this.#entries.filter(keeps);
    this.#bytes = this.#entries.reduce((sum, { bytes }) => sum + bytes, 0);
  }
}
