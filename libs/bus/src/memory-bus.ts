import { randomUUID } from 'node:crypto';
import {
  type Bus,
  type BusEvent,
  type ConsumeOptions,
  DEFAULT_EVENT_LIMITS,
  type DeadLetter,
  type EventFilter,
  type EventLimits,
  MAX_DEAD_LETTERS,
  type PublishWorkOptions,
  type ReceivedEvent,
  type SubscribeOptions,
  type WorkHandler,
  type WorkItem,
} from './bus.js';
import { BusClosedError } from './errors.js';
import { MemoryEventLog } from './memory-event-log.js';
import { MemoryWorkQueue } from './memory-work-queue.js';
import { checkBodySize, eventSubject, eventSubjectFilter, workSubject } from './subjects.js';

export interface MemoryBusOptions {
  readonly eventLimits?: EventLimits;
  /** Receives the errors of work handlers; default: written to standard error. */
  readonly onError?: (error: unknown) => void;
}

/** The bus of a single process: work and events live in memory and die with it. */
export function memoryBus(options: MemoryBusOptions = {}): Bus {
  return new MemoryBus(options);
}

class MemoryBus implements Bus {
  readonly #queues = new Map<string, MemoryWorkQueue>();
  readonly #events: MemoryEventLog;
  readonly #onError: (error: unknown) => void;
  readonly #closing = new AbortController();
  readonly #consumers = new Set<Promise<void>>();
  #dead: (DeadLetter & { readonly item: WorkItem })[] = [];
  #deadCount = 0;

  constructor(options: MemoryBusOptions) {
    this.#events = new MemoryEventLog(options.eventLimits ?? DEFAULT_EVENT_LIMITS);
    this.#onError = options.onError ?? ((error) => console.error(error));
  }

  async publishWork(kind: string, id: string, body: Uint8Array, options: PublishWorkOptions = {}): Promise<void> {
    this.#checkOpen();
    checkBodySize(body);
    this.#queue(kind).publish(id, body, options);
  }

  async consume(kind: string, handler: WorkHandler, options: ConsumeOptions): Promise<void> {
    this.#checkOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const consumer = this.#queue(kind).consume(handler, { ...options, signal });
    this.#consumers.add(consumer);
    try {
      await consumer;
    } finally {
      this.#consumers.delete(consumer);
    }
  }

  async publishEvent(event: BusEvent): Promise<void> {
    this.#checkOpen();
    eventSubject(event.job, event.kind);
    checkBodySize(event.data);
    this.#events.append(event);
  }

  async subscribeEvents(
    filter: EventFilter,
    options: SubscribeOptions,
  ): Promise<AsyncGenerator<ReceivedEvent, void, void>> {
    this.#checkOpen();
    eventSubjectFilter(filter);
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return this.#events.subscribe(filter, options.from, signal);
  }

  async unfinishedWork(kind: string): Promise<number> {
    this.#checkOpen();
    return this.#queue(kind).unfinished;
  }

  async check(): Promise<void> {
    this.#checkOpen();
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    this.#checkOpen();
    return this.#dead.map(({ item: _, ...letter }) => letter);
  }

  async requeueDeadLetter(sequence: number): Promise<DeadLetter | undefined> {
    this.#checkOpen();
    const found = this.#dead.find((letter) => letter.sequence === sequence);
    if (found === undefined) {
      return undefined;
    }
    const { item, ...letter } = found;
    this.#queue(item.kind).publish(item.id, item.body, { dedupeId: randomUUID(), headers: item.headers });
    this.#dead = this.#dead.filter((other) => other !== found);
    return letter;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#consumers);
    for (const queue of this.#queues.values()) {
      queue.close();
    }
  }

  #queue(kind: string): MemoryWorkQueue {
    const subject = workSubject(kind);
    let queue = this.#queues.get(subject);
    if (queue === undefined) {
      queue = new MemoryWorkQueue(kind, this.#onError, (item, reason) => this.#bury(item, reason));
      this.#queues.set(subject, queue);
    }
    return queue;
  }

  #bury(item: WorkItem, reason: string): void {
    this.#deadCount += 1;
    const { kind, id, deliveries } = item;
    this.#dead.push({ sequence: this.#deadCount, kind, id, reason, deliveries, time: new Date(), item });
    this.#dead = this.#dead.slice(-MAX_DEAD_LETTERS);
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) {
      throw new BusClosedError();
    }
  }
}
