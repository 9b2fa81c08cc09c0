/** One unit of work as a worker receives it. */
export interface WorkItem {
  readonly kind: string;
  readonly id: string;
  readonly body: Uint8Array;
  /** How many times this item was handed out, this time included: 1 at first. */
  readonly deliveries: number;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * What becomes of an item after its handler ran: `ack` removes it, `nak` hands it out again after a delay,
 * `term` removes it as done with, `dead` sets it aside as a dead letter, `leave` says nothing, so that the item comes back once its acknowledgement is overdue.
 */
export type WorkVerdict =
  | { readonly verdict: 'ack' }
  | { readonly verdict: 'nak'; readonly delayMs: number }
  | { readonly verdict: 'term' }
  | { readonly verdict: 'dead'; readonly reason: string }
  | { readonly verdict: 'leave' };

export type WorkHandler = (item: WorkItem) => Promise<WorkVerdict>;

export interface PublishWorkOptions {
  /** A second publication of the kind under the same dedupe id within two minutes is dropped. Default: the item's id. */
  readonly dedupeId?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ConsumeOptions {
  /** Ends the consumption: no further item is taken, the running handler is waited for. */
  readonly signal: AbortSignal;
  /** An item neither answered nor heartbeated for this long is handed out again. Default 30,000. */
  readonly ackWaitMs?: number;
  /** After so many deliveries an item goes to `onExhausted` and becomes a dead letter. Default: no limit. */
  readonly maxDeliveries?: number;
  readonly onExhausted?: (item: WorkItem) => Promise<void>;
}

/** An item that was given up, with the reason. */
export interface DeadLetter {
  /** Names the letter on this bus. */
  readonly sequence: number;
  readonly kind: string;
  readonly id: string;
  readonly reason: string;
  readonly deliveries: number;
  readonly time: Date;
}

/** An event as it is published; it becomes a CloudEvents 1.0 event on `percept.events.<job>.<kind>`. */
export interface BusEvent {
  readonly job: string;
  readonly kind: string;
  /** Unique per source; a second publication of the same id within two minutes is dropped. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** RFC 3339. */
  readonly time: string;
  readonly dataContentType: string;
  readonly data: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** An event as a subscriber receives it; sequence numbers grow along the whole bus. */
export interface ReceivedEvent extends BusEvent {
  readonly sequence: number;
}

/** Which events: all of a job, all of a kind, or all. */
export interface EventFilter {
  readonly job?: string;
  readonly kind?: string;
}

/** Where a subscription starts: with all that is still held, with what comes from now on, or after a sequence number. */
export type SubscriptionStart = 'start' | 'now' | { readonly after: number };

export interface SubscribeOptions {
  readonly from: SubscriptionStart;
  /** Ends the iteration. */
  readonly signal: AbortSignal;
}

/**
 * Work queues and event streams.
 *
 * Work is handed to exactly one consumer at a time and comes back until it is acknowledged. Events are kept within limits
 * (count per subject, bytes, age) and replayed to late subscribers; a subscriber slower than these limits misses the oldest.
 */
export interface Bus {
  /**
   * Queues one unit of work; resolves once the bus holds it.
   *
   * @throws InvalidSubjectError, BodyTooLargeError (above 1,000,000 bytes), BusUnavailableError, BusClosedError.
   */
  publishWork(kind: string, id: string, body: Uint8Array, options?: PublishWorkOptions): Promise<void>;
  /**
   * Hands items of one kind to the handler, one at a time, until the signal fires; heartbeats while the handler runs.
   * A handler that throws has its item handed out again after a second, and its error goes to the bus's `onError`.
   */
  consume(kind: string, handler: WorkHandler, options: ConsumeOptions): Promise<void>;
  /**
   * Publishes one event; resolves once the bus holds it.
   *
   * @throws InvalidSubjectError, BodyTooLargeError, BusUnavailableError, BusClosedError.
   */
  publishEvent(event: BusEvent): Promise<void>;
  /** Replays, then follows. The start is fixed when the promise resolves; the iteration ends when the signal fires or the bus closes. */
  subscribeEvents(filter: EventFilter, options: SubscribeOptions): Promise<AsyncGenerator<ReceivedEvent, void, void>>;
  /** How many items of a kind are not done with: those that wait, those that a handler has, those that come back after a delay. */
  unfinishedWork(kind: string): Promise<number>;
  /** Resolves when work can be queued at present. @throws BusUnavailableError, BusClosedError. */
  check(): Promise<void>;
  /** The items that were given up, oldest first, the newest 1,000 at most. */
  deadLetters(): Promise<readonly DeadLetter[]>;
  /** Queues a dead letter's item again as a fresh one and removes the letter; undefined where there is no such letter. */
  requeueDeadLetter(sequence: number): Promise<DeadLetter | undefined>;
  /** Ends consumers (waiting for running handlers) and subscriptions. */
  close(): Promise<void>;
}

/** How much of the past a bus holds for late subscribers. */
export interface EventLimits {
  readonly maxEventsPerSubject: number;
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export const DEFAULT_EVENT_LIMITS: EventLimits = {
  maxEventsPerSubject: 5_000,
  maxBytes: 256 * 1024 * 1024,
  maxAgeMs: 7 * 24 * 3_600_000,
};

export const MAX_DEAD_LETTERS = 1_000;
export const DEFAULT_ACK_WAIT_MS = 30_000;
export const DEDUPE_WINDOW_MS = 120_000;
export const HANDLER_FAILURE_DELAY_MS = 1_000;

/** Why an item that was handed out too often is a dead letter. */
export function exhaustedReason(deliveries: number): string {
  return `given up after ${deliveries - 1} deliveries`;
}
