import { headers as createHeaders, type MsgHdrs } from 'nats';
import type { BusEvent } from './bus.js';

const OWN = new Set(['ce-specversion', 'ce-id', 'ce-source', 'ce-type', 'ce-time', 'ce-subject', 'content-type']);

/** A CloudEvents 1.0 event in NATS binary mode: attributes as `ce-` headers, the data's type as `content-type`. */
export function toCloudEventHeaders(event: BusEvent): MsgHdrs {
  const headers = createHeaders();
  headers.set('ce-specversion', '1.0');
  headers.set('ce-id', encodeURIComponent(event.id));
  headers.set('ce-source', encodeURI(event.source));
  headers.set('ce-type', encodeURIComponent(event.type));
  headers.set('ce-time', event.time);
  headers.set('ce-subject', `${event.job}/${event.kind}`);
  headers.set('content-type', event.dataContentType);
  for (const [name, value] of Object.entries(event.headers ?? {})) {
    headers.set(name, value);
  }
  return headers;
}

/** The event behind a message on `percept.events.<job>.<kind>`. */
export function fromCloudEventMessage(subject: string, headers: MsgHdrs | undefined, data: Uint8Array): BusEvent {
  const [, , job = '', kind = ''] = subject.split('.');
  return {
    job,
    kind,
    id: decodeURIComponent(headers?.get('ce-id') ?? ''),
    source: decodeURI(headers?.get('ce-source') ?? ''),
    type: decodeURIComponent(headers?.get('ce-type') ?? ''),
    time: headers?.get('ce-time') ?? '',
    dataContentType: headers?.get('content-type') ?? '',
    data: plainBytes(data),
    headers: fromHeaders(headers, OWN),
  };
}

/** The headers as a plain record, without the server's own and without `omitted`. */
export function fromHeaders(headers: MsgHdrs | undefined, omitted: ReadonlySet<string>): Record<string, string> {
  const record: Record<string, string> = {};
  for (const name of headers?.keys() ?? []) {
    if (!omitted.has(name) && !name.toLowerCase().startsWith('nats-')) {
      record[name] = headers?.get(name) ?? '';
    }
  }
  return record;
}

/** The same memory as a plain Uint8Array, where the client hands out a Buffer. */
export function plainBytes(data: Uint8Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
