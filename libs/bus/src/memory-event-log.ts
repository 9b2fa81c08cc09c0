import {
  type BusEvent,
  DEDUPE_WINDOW_MS,
  type EventFilter,
  type EventLimits,
  type ReceivedEvent,
  type SubscriptionStart,
} from './bus.js';
import { eventSubject } from './subjects.js';

interface Entry {
  readonly event: ReceivedEvent;
  readonly subject: string;
  readonly receivedAt: number;
}

/** All events in one bounded log; every subscriber reads it with a cursor of its own, so none needs a buffer. */
export class MemoryEventLog {
  readonly #limits: EventLimits;
  // Insertion order is sequence order, also after deletions.
  readonly #entries = new Map<number, Entry>();
  readonly #sequencesBySubject = new Map<string, number[]>();
  readonly #seen = new Map<string, number>();
  readonly #waiters = new Set<() => void>();
  #lastSequence = 0;
  #bytes = 0;

  constructor(limits: EventLimits) {
    this.#limits = limits;
  }

  append(event: BusEvent): void {
    const now = performance.now();
    const subject = eventSubject(event.job, event.kind);
    if (this.#isDuplicate(event.id, now)) {
      return;
    }
    this.#lastSequence += 1;
    const sequence = this.#lastSequence;
    this.#entries.set(sequence, {
      event: { ...event, data: event.data.slice(), sequence },
      subject,
      receivedAt: now,
    });
    this.#bytes += event.data.byteLength;
    const sequences = this.#sequencesBySubject.get(subject) ?? [];
    sequences.push(sequence);
    this.#sequencesBySubject.set(subject, sequences);
    this.#evict(subject, now);
    this.#wakeAll();
  }

  subscribe(
    filter: EventFilter,
    start: SubscriptionStart,
    signal: AbortSignal,
  ): AsyncGenerator<ReceivedEvent, void, void> {
    const after = start === 'start' ? 0 : start === 'now' ? this.#lastSequence : start.after;
    return this.#follow(filter, after, signal);
  }

  async *#follow(filter: EventFilter, after: number, signal: AbortSignal): AsyncGenerator<ReceivedEvent, void, void> {
    let cursor = after;
    while (!signal.aborted) {
      const next = this.#nextAfter(cursor, filter);
      if (next === undefined) {
        // What is in the log now does not match; look only at what comes.
        cursor = Math.max(cursor, this.#lastSequence);
        await this.#appended(signal);
      } else {
        cursor = next.sequence;
        yield next;
      }
    }
  }

  #nextAfter(cursor: number, filter: EventFilter): ReceivedEvent | undefined {
    const first = this.#entries.keys().next().value ?? this.#lastSequence + 1;
    for (let sequence = Math.max(cursor + 1, first); sequence <= this.#lastSequence; sequence++) {
      const event = this.#entries.get(sequence)?.event;
      if (event !== undefined && matches(filter, event)) {
        return event;
      }
    }
    return undefined;
  }

  async #appended(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', wake);
        this.#waiters.delete(wake);
        resolve();
      };
      this.#waiters.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiters]) {
      wake();
    }
  }

  #evict(subject: string, now: number): void {
    const sequences = this.#sequencesBySubject.get(subject);
    if (sequences !== undefined && sequences.length > this.#limits.maxEventsPerSubject) {
      this.#drop(sequences[0]);
    }
    for (const [sequence, entry] of this.#entries) {
      if (this.#bytes <= this.#limits.maxBytes && now - entry.receivedAt <= this.#limits.maxAgeMs) {
        return;
      }
      this.#drop(sequence);
    }
  }

  #drop(sequence: number | undefined): void {
    const entry = sequence === undefined ? undefined : this.#entries.get(sequence);
    if (sequence === undefined || entry === undefined) {
      return;
    }
    this.#entries.delete(sequence);
    this.#bytes -= entry.event.data.byteLength;
    const sequences = this.#sequencesBySubject.get(entry.subject) ?? [];
    // The oldest of all is also the oldest of its subject.
    sequences.shift();
    if (sequences.length === 0) {
      this.#sequencesBySubject.delete(entry.subject);
    }
  }

  #isDuplicate(id: string, now: number): boolean {
    for (const [seen, time] of this.#seen) {
      if (now - time < DEDUPE_WINDOW_MS) {
        break;
      }
      this.#seen.delete(seen);
    }
    if (this.#seen.has(id)) {
      return true;
    }
    this.#seen.set(id, now);
    return false;
  }
}

function matches(filter: EventFilter, event: BusEvent): boolean {
  return (filter.job ?? event.job) === event.job && (filter.kind ?? event.kind) === event.kind;
}
