import type { Consumer, JetStreamClient, JetStreamManager, JsMsg } from 'nats';
import { backOff } from './backoff.js';
import {
  type ConsumeOptions,
  DEFAULT_ACK_WAIT_MS,
  exhaustedReason,
  HANDLER_FAILURE_DELAY_MS,
  type WorkHandler,
  type WorkItem,
  type WorkVerdict,
} from './bus.js';
import { fromHeaders, plainBytes } from './cloud-event-headers.js';
import { bury } from './nats-dead-letters.js';
import { ensureWorkConsumer, JOBS_STREAM } from './nats-streams.js';

/** The header that carries an item's id; the deduplication id may differ from it. */
export const WORK_ID_HEADER = 'percept-work-id';

const PULL_EXPIRES_MS = 5_000;
const OWN = new Set([WORK_ID_HEADER]);

/** Pulls items of one kind one at a time, so that none waits in this worker while its acknowledgement runs out. */
export class NatsWorkConsumer {
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #kind: string;
  readonly #handler: WorkHandler;
  readonly #options: ConsumeOptions;
  readonly #ackWaitMs: number;
  readonly #onError: (error: unknown) => void;

  constructor(
    js: JetStreamClient,
    jsm: JetStreamManager,
    kind: string,
    handler: WorkHandler,
    options: ConsumeOptions,
    onError: (error: unknown) => void,
  ) {
    this.#js = js;
    this.#jsm = jsm;
    this.#kind = kind;
    this.#handler = handler;
    this.#options = options;
    this.#ackWaitMs = options.ackWaitMs ?? DEFAULT_ACK_WAIT_MS;
    this.#onError = onError;
  }

  async run(): Promise<void> {
    const { signal } = this.#options;
    let failures = 0;
    let consumer: Consumer | undefined;
    while (!signal.aborted) {
      try {
        consumer ??= await this.#open();
        const message = await this.#next(consumer);
        failures = 0;
        if (message !== undefined) {
          await this.#process(message);
        }
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        failures += 1;
        this.#onError(error);
        // The server may have restarted without the consumer: look it up again.
        consumer = undefined;
        await backOff(failures, signal);
      }
    }
  }

  async #open(): Promise<Consumer> {
    const name = await ensureWorkConsumer(this.#jsm, this.#kind, this.#ackWaitMs);
    return await this.#js.consumers.get(JOBS_STREAM, name);
  }

  async #next(consumer: Consumer): Promise<JsMsg | undefined> {
    const { signal } = this.#options;
    if (signal.aborted) {
      return undefined;
    }
    const pulled = consumer.next({ expires: PULL_EXPIRES_MS });
    let onAbort = () => {};
    const aborted = new Promise<undefined>((resolve) => {
      onAbort = () => resolve(undefined);
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      const message = await Promise.race([pulled, aborted]);
      if (message === undefined) {
        // The pull is still open on the server: give back what it may yet bring.
        pulled.then((late) => late?.nak()).catch(this.#onError);
      }
      return message ?? undefined;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  async #process(message: JsMsg): Promise<void> {
    const item: WorkItem = {
      kind: this.#kind,
      id: message.headers?.get(WORK_ID_HEADER) ?? '',
      body: plainBytes(message.data),
      deliveries: message.info.deliveryCount,
      headers: fromHeaders(message.headers, OWN),
    };
    const heartbeat = setInterval(() => message.working(), this.#ackWaitMs / 3);
    let verdict: WorkVerdict;
    try {
      verdict = await this.#judge(item);
    } finally {
      clearInterval(heartbeat);
    }
    if (verdict.verdict === 'dead') {
      await bury(this.#js, item, verdict.reason, `dead-${message.seq}-${item.deliveries}`);
    }
    await settle(message, verdict);
  }

  async #judge(item: WorkItem): Promise<WorkVerdict> {
    try {
      if (item.deliveries > (this.#options.maxDeliveries ?? Number.POSITIVE_INFINITY)) {
        await this.#options.onExhausted?.(item);
        return { verdict: 'dead', reason: exhaustedReason(item.deliveries) };
      }
      return await this.#handler(item);
    } catch (error) {
      this.#onError(error);
      return { verdict: 'nak', delayMs: HANDLER_FAILURE_DELAY_MS };
    }
  }
}

async function settle(message: JsMsg, verdict: WorkVerdict): Promise<void> {
  switch (verdict.verdict) {
    case 'ack':
      await message.ackAck();
      return;
    case 'nak':
      // A delay of 0 is not sent as one.
      message.nak(verdict.delayMs > 0 ? verdict.delayMs : undefined);
      return;
    case 'term':
    case 'dead':
      // No reason: servers before 2.11 do not understand it and deliver the message again.
      message.term();
      return;
    case 'leave':
      return;
  }
}
