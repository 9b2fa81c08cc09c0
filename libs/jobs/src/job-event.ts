import type { Bus, BusEvent } from '@percept/bus';
import { decodeJson, encodeJson, type JsonObject } from './json.js';

/**
 * One event in the life of a job. `kind` is `state`, `progress`, `metrics`, `image`, `log` or one of the job kind's own;
 * `data` is the payload in protobuf JSON.
 */
export interface JobEvent {
  readonly job: string;
  readonly kind: string;
  /** Grows along the job, over all attempts. */
  readonly sequence: number;
  /** RFC 3339. */
  readonly time: string;
  readonly data: JsonObject;
}

const EVENTS_PER_ATTEMPT = 1_000_000_000;

/**
 * Sequence numbers that need no common counter: the attempt counts first, then the event within it. Number 0 of an attempt is
 * kept for what happens to the job between this attempt and the one before it.
 */
export function eventSequence(attempt: number, number: number): number {
  return attempt * EVENTS_PER_ATTEMPT + number;
}

export async function publishJobEvent(bus: Bus, event: JobEvent): Promise<void> {
  await bus.publishEvent(toBusEvent(event));
}

/** The event as a CloudEvent of the type `percept.job.<kind>`. */
export function toBusEvent(event: JobEvent): BusEvent {
  return {
    job: event.job,
    kind: event.kind,
    id: `${event.job}-${event.kind}-${event.sequence}-${event.time}`,
    source: `/percept/jobs/${event.job}`,
    type: `percept.job.${event.kind}`,
    time: event.time,
    dataContentType: 'application/json',
    data: encodeJson({ sequence: event.sequence, data: event.data }),
  };
}

/** @throws SyntaxError when the body is not one that `toBusEvent` made. */
export function fromBusEvent(event: BusEvent): JobEvent {
  const body = decodeJson(event.data) as { sequence?: unknown; data?: unknown };
  if (typeof body.sequence !== 'number' || typeof body.data !== 'object' || body.data === null) {
    throw new SyntaxError(`the event ${event.id} is not a job event`);
  }
  const { job, kind, time } = event;
  return { job, kind, time, sequence: body.sequence, data: body.data as JsonObject };
}

export function encodeJobEvents(events: readonly JobEvent[]): Uint8Array {
  return encodeJson(events);
}

/** @throws SyntaxError. */
export function decodeJobEvents(bytes: Uint8Array): readonly JobEvent[] {
  return decodeJson(bytes) as readonly JobEvent[];
}
