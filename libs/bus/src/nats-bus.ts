import { randomUUID } from 'node:crypto';
import {
  type ConnectionOptions,
  connect,
  headers as createHeaders,
  type JetStreamClient,
  type JetStreamManager,
  type JetStreamPublishOptions,
  type NatsConnection,
} from 'nats';
import { backOff } from './backoff.js';
import {
  type Bus,
  type BusEvent,
  type ConsumeOptions,
  DEFAULT_EVENT_LIMITS,
  type DeadLetter,
  type EventFilter,
  type EventLimits,
  type PublishWorkOptions,
  type ReceivedEvent,
  type SubscribeOptions,
  type WorkHandler,
} from './bus.js';
import { toCloudEventHeaders } from './cloud-event-headers.js';
import { BusClosedError, BusUnavailableError } from './errors.js';
import { contentOf, findDeadLetter, letterOf, listDeadLetters } from './nats-dead-letters.js';
import { subscribeNatsEvents } from './nats-event-subscription.js';
import { DEAD_STREAM, ensureStreams, JOBS_STREAM } from './nats-streams.js';
import { NatsWorkConsumer, WORK_ID_HEADER } from './nats-work-consumer.js';
import { checkBodySize, eventSubject, workSubject } from './subjects.js';

export interface NatsBusOptions {
  /** Server addresses, such as `nats://127.0.0.1:4222`. */
  readonly servers: readonly string[];
  /** The connection's name in the server's monitoring. Default `percept`. */
  readonly name?: string;
  readonly token?: string;
  readonly user?: string;
  readonly password?: string;
  /** PEM files; presence turns TLS on. */
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string };
  /** Copies of each stream, for streams created by this call. Default 1. */
  readonly replicas?: number;
  /** Limits of the event stream, for a stream created by this call. */
  readonly eventLimits?: EventLimits;
  /** Receives errors of work handlers and lost connections, all of which are retried; default: written to standard error. */
  readonly onError?: (error: unknown) => void;
}

const PUBLISH_ATTEMPTS = 4;
const PUBLISH_TIMEOUT_MS = 2_000;

/**
 * The bus over NATS JetStream, for servers from 2.9 on: the work queue stream PERCEPT_JOBS and the event stream PERCEPT_EVENTS.
 * It reconnects for ever; what is published meanwhile is retried for about ten seconds.
 *
 * @throws BusUnavailableError when no server answers at first.
 */
export async function natsBus(options: NatsBusOptions): Promise<Bus> {
  let connection: NatsConnection | undefined;
  try {
    connection = await connect(connectionOptions(options));
    const jsm = await connection.jetstreamManager();
    await ensureStreams(jsm, options.eventLimits ?? DEFAULT_EVENT_LIMITS, options.replicas ?? 1);
    return new NatsBus(connection, jsm, options.onError ?? ((error) => console.error(error)));
  } catch (error) {
    await connection?.close();
    throw new BusUnavailableError(`no JetStream at ${options.servers.join(', ')}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

class NatsBus implements Bus {
  readonly #connection: NatsConnection;
  readonly #js: JetStreamClient;
  readonly #jsm: JetStreamManager;
  readonly #onError: (error: unknown) => void;
  readonly #closing = new AbortController();
  readonly #consumers = new Set<Promise<void>>();

  constructor(connection: NatsConnection, jsm: JetStreamManager, onError: (error: unknown) => void) {
    this.#connection = connection;
    this.#js = connection.jetstream();
    this.#jsm = jsm;
    this.#onError = onError;
  }

  async publishWork(kind: string, id: string, body: Uint8Array, options: PublishWorkOptions = {}): Promise<void> {
    this.#checkOpen();
    checkBodySize(body);
    const headers = createHeaders();
    headers.set(WORK_ID_HEADER, id);
    for (const [name, value] of Object.entries(options.headers ?? {})) {
      headers.set(name, value);
    }
    // The server compares ids over the whole stream; ours are unique within a kind.
    await this.#publish(workSubject(kind), body, { headers, msgID: `${kind}:${options.dedupeId ?? id}` });
  }

  async consume(kind: string, handler: WorkHandler, options: ConsumeOptions): Promise<void> {
    this.#checkOpen();
    workSubject(kind);
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    const consumer = new NatsWorkConsumer(this.#js, this.#jsm, kind, handler, { ...options, signal }, this.#onError);
    const running = consumer.run();
    this.#consumers.add(running);
    try {
      await running;
    } finally {
      this.#consumers.delete(running);
    }
  }

  async publishEvent(event: BusEvent): Promise<void> {
    this.#checkOpen();
    const subject = eventSubject(event.job, event.kind);
    checkBodySize(event.data);
    await this.#publish(subject, event.data, { headers: toCloudEventHeaders(event), msgID: event.id });
  }

  async subscribeEvents(
    filter: EventFilter,
    options: SubscribeOptions,
  ): Promise<AsyncGenerator<ReceivedEvent, void, void>> {
    this.#checkOpen();
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    return await subscribeNatsEvents(this.#js, this.#jsm, filter, { ...options, signal });
  }

  async unfinishedWork(kind: string): Promise<number> {
    this.#checkOpen();
    const subject = workSubject(kind);
    const { state } = await this.#answered(JOBS_STREAM, () =>
      this.#jsm.streams.info(JOBS_STREAM, { subjects_filter: subject }),
    );
    return state.subjects?.[subject] ?? 0;
  }

  async check(): Promise<void> {
    this.#checkOpen();
    await this.#answered(JOBS_STREAM, () => this.#jsm.streams.info(JOBS_STREAM));
  }

  async deadLetters(): Promise<readonly DeadLetter[]> {
    this.#checkOpen();
    return await this.#answered('the dead letters', () => listDeadLetters(this.#jsm));
  }

  async requeueDeadLetter(sequence: number): Promise<DeadLetter | undefined> {
    this.#checkOpen();
    const message = await this.#answered('the dead letters', () => findDeadLetter(this.#jsm, sequence));
    if (message === undefined) {
      return undefined;
    }
    const letter = letterOf(message);
    const { body, headers } = contentOf(message);
    await this.publishWork(letter.kind, letter.id, body, { dedupeId: randomUUID(), headers });
    await this.#answered('the dead letters', () => this.#jsm.streams.deleteMessage(DEAD_STREAM, sequence));
    return letter;
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) {
      return;
    }
    this.#closing.abort();
    await Promise.allSettled(this.#consumers);
    // Not drain(): it waits for a lost server, and every answer that matters was confirmed.
    await this.#connection.flush().catch(this.#onError);
    await this.#connection.close();
  }

  /** Retries: message ids make a second publication harmless. */
  async #publish(
    subject: string,
    body: Uint8Array,
    options: Pick<JetStreamPublishOptions, 'headers' | 'msgID'>,
  ): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#js.publish(subject, body, { ...options, timeout: PUBLISH_TIMEOUT_MS });
        return;
      } catch (error) {
        this.#checkOpen();
        if (attempt === PUBLISH_ATTEMPTS) {
          throw new BusUnavailableError(`${subject}: ${messageOf(error)}`, { cause: error });
        }
        await backOff(attempt, this.#closing.signal);
      }
    }
  }

  async #answered<Result>(what: string, ask: () => Promise<Result>): Promise<Result> {
    try {
      return await ask();
    } catch (error) {
      throw new BusUnavailableError(`${what}: ${messageOf(error)}`, { cause: error });
    }
  }

  #checkOpen(): void {
    if (this.#closing.signal.aborted) {
      throw new BusClosedError();
    }
  }
}

function connectionOptions(options: NatsBusOptions): ConnectionOptions {
  return {
    servers: [...options.servers],
    name: options.name ?? 'percept',
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    timeout: 5_000,
    pingInterval: 10_000,
    maxPingOut: 2,
    ...(options.token === undefined ? {} : { token: options.token }),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.password === undefined ? {} : { pass: options.password }),
    ...(options.tls === undefined ? {} : { tls: { ...options.tls } }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
