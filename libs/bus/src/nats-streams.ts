import {
  AckPolicy,
  DiscardPolicy,
  type JetStreamManager,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from 'nats';
import { DEDUPE_WINDOW_MS, type EventLimits, MAX_DEAD_LETTERS } from './bus.js';
import { workSubject } from './subjects.js';

export const JOBS_STREAM = 'PERCEPT_JOBS';
export const DEAD_STREAM = 'PERCEPT_DEAD';
export const EVENTS_STREAM = 'PERCEPT_EVENTS';

const STREAM_NAME_IN_USE = 10058;

/** Creates the streams where they are missing; streams that an operator configured otherwise stay as they are. */
export async function ensureStreams(jsm: JetStreamManager, limits: EventLimits, replicas: number): Promise<void> {
  await ensureStream(jsm, {
    name: JOBS_STREAM,
    subjects: ['percept.jobs.>'],
    retention: RetentionPolicy.Workqueue,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    duplicate_window: nanos(DEDUPE_WINDOW_MS),
    max_msgs: 1_000_000,
    num_replicas: replicas,
  });
  await ensureStream(jsm, {
    name: EVENTS_STREAM,
    subjects: ['percept.events.>'],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    duplicate_window: nanos(DEDUPE_WINDOW_MS),
    max_msgs_per_subject: limits.maxEventsPerSubject,
    max_bytes: limits.maxBytes,
    max_age: nanos(limits.maxAgeMs),
    num_replicas: replicas,
  });
  await ensureStream(jsm, {
    name: DEAD_STREAM,
    subjects: ['percept.dead.>'],
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    duplicate_window: nanos(DEDUPE_WINDOW_MS),
    max_msgs: MAX_DEAD_LETTERS,
    num_replicas: replicas,
  });
}

/** The durable pull consumer that all workers of a kind share, as KEDA also watches it; returns its name. */
export async function ensureWorkConsumer(jsm: JetStreamManager, kind: string, ackWaitMs: number): Promise<string> {
  const name = `workers-${kind}`;
  await jsm.consumers.add(JOBS_STREAM, {
    durable_name: name,
    filter_subject: workSubject(kind),
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    // Exhausted items are removed by the consumer itself: the server would leave them in the stream for ever.
    max_deliver: -1,
    // Shared by all workers, so it must exceed their number.
    max_ack_pending: 20_000,
  });
  return name;
}

async function ensureStream(jsm: JetStreamManager, config: Partial<StreamConfig> & { name: string }): Promise<void> {
  try {
    await jsm.streams.add(config);
  } catch (error) {
    if (!(error instanceof NatsError && error.api_error?.err_code === STREAM_NAME_IN_USE)) {
      throw error;
    }
  }
}
