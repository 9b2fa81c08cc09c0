import type { EventFilter } from './bus.js';
import { BodyTooLargeError, InvalidSubjectError } from './errors.js';

/** NATS carries 1 MiB a message; what is left above this is for headers. */
export const MAX_BODY_BYTES = 1_000_000;

const TOKEN = /^[A-Za-z0-9_-]{1,128}$/;

/** `percept.jobs.<kind>`. */
export function workSubject(kind: string): string {
  return `percept.jobs.${token(kind, 'kind')}`;
}

/** `percept.dead.<kind>`. */
export function deadSubject(kind: string): string {
  return `percept.dead.${token(kind, 'kind')}`;
}

/** `percept.events.<job>.<kind>`. */
export function eventSubject(job: string, kind: string): string {
  return `percept.events.${token(job, 'job')}.${token(kind, 'kind')}`;
}

/** The subject, with wildcards, of the events a filter lets through. */
export function eventSubjectFilter(filter: EventFilter): string {
  const job = filter.job === undefined ? '*' : token(filter.job, 'job');
  const kind = filter.kind === undefined ? '*' : token(filter.kind, 'kind');
  return `percept.events.${job}.${kind}`;
}

/** @throws BodyTooLargeError above MAX_BODY_BYTES. */
export function checkBodySize(body: Uint8Array): void {
  if (body.byteLength > MAX_BODY_BYTES) {
    throw new BodyTooLargeError(body.byteLength, MAX_BODY_BYTES);
  }
}

function token(value: string, name: string): string {
  if (!TOKEN.test(value)) {
    throw new InvalidSubjectError(`${name} ${JSON.stringify(value)} is not 1 to 128 letters, digits, '-' and '_'`);
  }
  return value;
}
