import type { JobEventView } from './views.js';

/** How many events, and how many characters of pictures, wait for one client before its source is held back. */
export interface BufferLimits {
  readonly events: number;
  readonly characters: number;
}

export const defaultBufferLimits: BufferLimits = { events: 5_000, characters: 8_000_000 };

function weightOf(event: JobEventView): number {
  if (event.kind === 'picture') return event.picture.href.length;
  return event.kind === 'log' ? event.message.length : 100;
}

/** A bounded queue between a job's events and one client: a full one makes its producer wait, so nothing is lost. */
export class EventBuffer {
  readonly #limits: BufferLimits;
  #events: JobEventView[] = [];
  #weight = 0;
  #ended = false;
  #wake: (() => void)[] = [];

  constructor(limits: BufferLimits = defaultBufferLimits) {
    this.#limits = limits;
  }

  /** Adds events that belong together, after waiting while the queue is full. */
  async put(events: readonly JobEventView[]): Promise<void> {
    while (!this.#ended && (this.#events.length >= this.#limits.events || this.#weight >= this.#limits.characters)) {
      await this.#change();
    }
    this.#events.push(...events);
    for (const event of events) this.#weight += weightOf(event);
    this.#notify();
  }

  /** Takes all that waits, after waiting for at least one event; an empty answer means that no more will come. */
  async take(): Promise<readonly JobEventView[]> {
    while (this.#events.length === 0 && !this.#ended) await this.#change();
    const taken = this.#events;
    this.#events = [];
    this.#weight = 0;
    this.#notify();
    return taken;
  }

  /** Says that no more events will be put. */
  end(): void {
    this.#ended = true;
    this.#notify();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const resolve of waiting) resolve();
  }
}
