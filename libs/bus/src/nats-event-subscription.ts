import type { Consumer, ConsumerMessages, JetStreamClient, JetStreamManager } from 'nats';
import type { EventFilter, ReceivedEvent, SubscribeOptions, SubscriptionStart } from './bus.js';
import { fromCloudEventMessage } from './cloud-event-headers.js';
import { EVENTS_STREAM } from './nats-streams.js';
import { eventSubjectFilter } from './subjects.js';

const BUFFERED_EVENTS = 64;
const PULL_EXPIRES_MS = 10_000;
const IDLE_HEARTBEAT_MS = 2_000;

/** Opens an ordered consumer, which the client rebuilds where it stopped after a lost connection. */
export async function subscribeNatsEvents(
  js: JetStreamClient,
  jsm: JetStreamManager,
  filter: EventFilter,
  options: SubscribeOptions,
): Promise<AsyncGenerator<ReceivedEvent, void, void>> {
  const consumer = await js.consumers.get(EVENTS_STREAM, {
    // One filter as a string: servers before 2.10 refuse a list.
    filterSubjects: eventSubjectFilter(filter),
    opt_start_seq: await startSequence(jsm, options.from),
  });
  const messages = await consumer.consume({
    max_messages: BUFFERED_EVENTS,
    expires: PULL_EXPIRES_MS,
    idle_heartbeat: IDLE_HEARTBEAT_MS,
  });
  return follow(consumer, messages, options.signal);
}

async function startSequence(jsm: JetStreamManager, start: SubscriptionStart): Promise<number> {
  if (start === 'start') {
    return 1;
  }
  if (start === 'now') {
    const { state } = await jsm.streams.info(EVENTS_STREAM);
    return state.last_seq + 1;
  }
  return start.after + 1;
}

async function* follow(
  consumer: Consumer,
  messages: ConsumerMessages,
  signal: AbortSignal,
): AsyncGenerator<ReceivedEvent, void, void> {
  const stop = () => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  try {
    if (signal.aborted) {
      return;
    }
    for await (const message of messages) {
      yield { ...fromCloudEventMessage(message.subject, message.headers, message.data), sequence: message.seq };
      if (signal.aborted) {
        return;
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
    // Nobody waits for this: a server that is away now drops the consumer by itself, five minutes later.
    consumer.delete().catch(() => undefined);
  }
}
