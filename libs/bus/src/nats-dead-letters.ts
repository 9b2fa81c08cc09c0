import { headers as createHeaders, type JetStreamClient, type JetStreamManager, NatsError, type StoredMsg } from 'nats';
import type { DeadLetter, WorkItem } from './bus.js';
import { fromHeaders, plainBytes } from './cloud-event-headers.js';
import { DEAD_STREAM } from './nats-streams.js';
import { deadSubject } from './subjects.js';

const ID_HEADER = 'percept-dead-id';
const REASON_HEADER = 'percept-dead-reason';
const DELIVERIES_HEADER = 'percept-dead-deliveries';
const OWN = new Set([ID_HEADER, REASON_HEADER, DELIVERIES_HEADER]);
const LONGEST_REASON = 2_000;
const NO_MESSAGE_FOUND = 10_037;

/** Keeps an item with the reason for which it was given up; the same delivery twice is kept once. */
export async function bury(js: JetStreamClient, item: WorkItem, reason: string, dedupeId: string): Promise<void> {
  const headers = createHeaders();
  for (const [name, value] of Object.entries(item.headers)) {
    headers.set(name, value);
  }
  headers.set(ID_HEADER, item.id);
  headers.set(REASON_HEADER, encodeURIComponent(reason.slice(0, LONGEST_REASON)));
  headers.set(DELIVERIES_HEADER, String(item.deliveries));
  await js.publish(deadSubject(item.kind), item.body, { headers, msgID: dedupeId });
}

export async function listDeadLetters(jsm: JetStreamManager): Promise<DeadLetter[]> {
  const { state } = await jsm.streams.info(DEAD_STREAM);
  const letters: DeadLetter[] = [];
  for (let sequence = state.first_seq; state.messages > 0 && sequence <= state.last_seq; sequence++) {
    const message = await findDeadLetter(jsm, sequence);
    if (message !== undefined) {
      letters.push(letterOf(message));
    }
  }
  return letters;
}

/** The stored message of a dead letter, or undefined. */
export async function findDeadLetter(jsm: JetStreamManager, sequence: number): Promise<StoredMsg | undefined> {
  try {
    return await jsm.streams.getMessage(DEAD_STREAM, { seq: sequence });
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === NO_MESSAGE_FOUND) {
      return undefined;
    }
    throw error;
  }
}

export function letterOf(message: StoredMsg): DeadLetter {
  const header = (name: string): string => message.header.get(name);
  return {
    sequence: message.seq,
    kind: message.subject.split('.')[2] ?? '',
    id: header(ID_HEADER),
    reason: decodeURIComponent(header(REASON_HEADER)),
    deliveries: Number(header(DELIVERIES_HEADER)),
    time: message.time,
  };
}

/** What the item's publisher gave. */
export function contentOf(message: StoredMsg): Pick<WorkItem, 'body' | 'headers'> {
  return { body: plainBytes(message.data), headers: fromHeaders(message.header, OWN) };
}
