import type { Bus, BusEvent } from '@percept/bus';
import { JobEvent, JobState } from '@percept/contracts';
import type { JobRecord } from './job-record.js';
import { decodeJson, encodeJson } from './json.js';

/** What happened, as the contract's JobEvent has it. */
export type JobEventPayload = NonNullable<JobEvent['event']>;

const KINDS: Readonly<Record<JobEventPayload['$case'], string>> = {
  stateChange: 'state',
  progress: 'progress',
  metrics: 'metrics',
  gallery: 'gallery',
  profilePoint: 'profile-point',
  log: 'log',
};

/** The kind of the event without payload that tells the worker of a job to look at its record. */
export const CANCEL_KIND = 'cancel';

const EVENTS_PER_ATTEMPT = 1_000_000_000;

/**
 * Sequence numbers that need no common counter: the attempt counts first, then the event within it. Number 0 of an attempt is
 * what happens between it and the one before it.
 */
export function eventSequence(attempt: number, number: number): number {
  return attempt * EVENTS_PER_ATTEMPT + number;
}

/** The event that says what state the record is in. */
export function stateEvent(record: JobRecord): JobEvent {
  return {
    sequence: record.stateSequence,
    time: new Date(record.stateTime),
    jobId: record.id,
    event: {
      $case: 'stateChange',
      value: {
        state: JobState[record.state],
        error: record.error,
        result: record.result,
        attempt: record.attempt,
      },
    },
  };
}

/** Publishes a CloudEvent of the type `percept.job.<kind>` whose body is the event in protobuf JSON. */
export async function publishJobEvent(bus: Bus, event: JobEvent): Promise<void> {
  await bus.publishEvent(toBusEvent(event));
}

function toBusEvent(event: JobEvent): BusEvent {
  const kind = event.event === undefined ? CANCEL_KIND : KINDS[event.event.$case];
  const time = (event.time ?? new Date()).toISOString();
  return {
    job: event.jobId,
    kind,
    // With the time: a worker that was presumed dead may give out a number a second time.
    id: `${event.jobId}-${event.sequence}-${kind}-${time}`,
    source: `/percept/jobs/${event.jobId}`,
    type: `percept.job.${kind}`,
    time,
    dataContentType: 'application/json',
    data: encodeJson(JobEvent.toJSON(event)),
  };
}

/** @throws SyntaxError when the body is no JSON. */
export function fromBusEvent(event: BusEvent): JobEvent {
  return JobEvent.fromJSON(decodeJson(event.data));
}

export function encodeJobEvents(events: readonly JobEvent[]): Uint8Array {
  return encodeJson(events.map((event) => JobEvent.toJSON(event)));
}

/** @throws SyntaxError. */
export function decodeJobEvents(bytes: Uint8Array): readonly JobEvent[] {
  const events = decodeJson(bytes);
  return Array.isArray(events) ? events.map((event) => JobEvent.fromJSON(event)) : [];
}
