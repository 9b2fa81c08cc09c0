/**
 * A bounded queue between a producer that must not wait and a consumer that may be slow. When it is full, the oldest droppable event
 * makes room; events that may not be dropped are kept.
 */
export class EventQueue<Event> implements AsyncIterable<Event> {
  readonly #capacity: number;
  readonly #events: { readonly event: Event; readonly droppable: boolean }[] = [];
  #ended = false;
  #wake: (() => void) | undefined;

  /** `capacity`: droppable events kept at most. */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  push(event: Event, droppable: boolean): void {
    if (this.#events.length >= this.#capacity) {
      const oldest = this.#events.findIndex((waiting) => waiting.droppable);
      if (oldest >= 0) this.#events.splice(oldest, 1);
    }
    this.#events.push({ event, droppable });
    this.#wake?.();
  }

  /** No event follows; the iteration ends once the queue is empty. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Event, void, void> {
    for (;;) {
      const next = this.#events.shift();
      if (next !== undefined) {
        yield next.event;
      } else if (this.#ended) {
        return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        this.#wake = undefined;
      }
    }
  }
}
