import {
  type ConsumeOptions,
  DEDUPE_WINDOW_MS,
  DEFAULT_ACK_WAIT_MS,
  exhaustedReason,
  HANDLER_FAILURE_DELAY_MS,
  type PublishWorkOptions,
  type WorkHandler,
  type WorkItem,
  type WorkVerdict,
} from './bus.js';

interface QueuedItem {
  readonly id: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
  deliveries: number;
}

/** The work of one kind, first in, first out, with delayed returns. */
export class MemoryWorkQueue {
  readonly #kind: string;
  readonly #onError: (error: unknown) => void;
  readonly #onDead: (item: WorkItem, reason: string) => void;
  readonly #ready: QueuedItem[] = [];
  readonly #takers: (() => void)[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  readonly #seen = new Map<string, number>();
  #unfinished = 0;

  constructor(kind: string, onError: (error: unknown) => void, onDead: (item: WorkItem, reason: string) => void) {
    this.#kind = kind;
    this.#onError = onError;
    this.#onDead = onDead;
  }

  /** Items that were published and are not done with. */
  get unfinished(): number {
    return this.#unfinished;
  }

  publish(id: string, body: Uint8Array, options: PublishWorkOptions): void {
    if (this.#isDuplicate(options.dedupeId ?? id)) {
      return;
    }
    this.#unfinished += 1;
    this.#enqueue({ id, body: body.slice(), headers: { ...options.headers }, deliveries: 0 });
  }

  async consume(handler: WorkHandler, options: ConsumeOptions): Promise<void> {
    for (;;) {
      const queued = await this.#take(options.signal);
      if (queued === undefined) {
        return;
      }
      queued.deliveries += 1;
      const item: WorkItem = { ...queued, kind: this.#kind };
      const exhausted = item.deliveries > (options.maxDeliveries ?? Number.POSITIVE_INFINITY);
      const verdict = exhausted ? await this.#exhaust(item, options) : await this.#handle(item, handler);
      this.#settle(queued, item, verdict, options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS);
    }
  }

  close(): void {
    for (const timer of this.#timers) {
      clearTimeout(timer);
    }
    this.#timers.clear();
  }

  async #handle(item: WorkItem, handler: WorkHandler): Promise<WorkVerdict> {
    try {
      return await handler(item);
    } catch (error) {
      this.#onError(error);
      return { verdict: 'nak', delayMs: HANDLER_FAILURE_DELAY_MS };
    }
  }

  async #exhaust(item: WorkItem, options: ConsumeOptions): Promise<WorkVerdict> {
    return await this.#handle(item, async () => {
      await options.onExhausted?.(item);
      return { verdict: 'dead', reason: exhaustedReason(item.deliveries) };
    });
  }

  #settle(queued: QueuedItem, item: WorkItem, verdict: WorkVerdict, ackWaitMs: number): void {
    switch (verdict.verdict) {
      case 'ack':
      case 'term':
        this.#unfinished -= 1;
        return;
      case 'nak':
        this.#enqueueAfter(queued, verdict.delayMs);
        return;
      case 'dead':
        this.#unfinished -= 1;
        this.#onDead(item, verdict.reason);
        return;
      case 'leave':
        this.#enqueueAfter(queued, ackWaitMs);
        return;
    }
  }

  #enqueueAfter(item: QueuedItem, delayMs: number): void {
    if (delayMs <= 0) {
      this.#enqueue(item);
      return;
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#enqueue(item);
    }, delayMs);
    this.#timers.add(timer);
  }

  #enqueue(item: QueuedItem): void {
    this.#ready.push(item);
    this.#takers.shift()?.();
  }

  async #take(signal: AbortSignal): Promise<QueuedItem | undefined> {
    while (!signal.aborted) {
      const item = this.#ready.shift();
      if (item !== undefined) {
        return item;
      }
      await this.#arrival(signal);
    }
    return undefined;
  }

  async #arrival(signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = () => {
        signal.removeEventListener('abort', abandon);
        resolve();
      };
      const abandon = () => {
        this.#takers.splice(this.#takers.indexOf(wake), 1);
        resolve();
      };
      this.#takers.push(wake);
      signal.addEventListener('abort', abandon, { once: true });
    });
    if (signal.aborted && this.#ready.length > 0) {
      // This taker was called for an item that it no longer takes: pass the call on.
      this.#takers.shift()?.();
    }
  }

  #isDuplicate(dedupeId: string): boolean {
    const now = performance.now();
    for (const [id, time] of this.#seen) {
      if (now - time < DEDUPE_WINDOW_MS) {
        break;
      }
      this.#seen.delete(id);
    }
    if (this.#seen.has(dedupeId)) {
      return true;
    }
    this.#seen.set(dedupeId, now);
    return false;
  }
}
