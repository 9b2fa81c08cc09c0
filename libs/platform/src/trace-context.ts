import { AsyncLocalStorage } from 'node:async_hooks';
import { randomFillSync } from 'node:crypto';
import { isSpanContextValid, trace } from '@opentelemetry/api';

/** Where a piece of work stands in a trace (W3C Trace Context). */
export interface TraceContext {
  /** 32 hex digits. */
  readonly traceId: string;
  /** 16 hex digits. */
  readonly spanId: string;
  readonly sampled: boolean;
}

const storage = new AsyncLocalStorage<TraceContext>();

/** Reads a `traceparent` header; undefined when it is absent or malformed. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  const match = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(header ?? '');
  const [, traceId, spanId, flags] = match ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Writes a `traceparent` header. */
export function formatTraceparent({ traceId, spanId, sampled }: TraceContext): string {
  return `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;
}

/** A new span within the parent's trace, or a new trace. */
export function childTrace(parent: TraceContext | undefined): TraceContext {
  return {
    traceId: parent?.traceId ?? randomHex(16),
    spanId: randomHex(8),
    sampled: parent?.sampled ?? false,
  };
}

/** Random bytes that are drawn many calls at once: a draw for each call would be a good part of what a call costs. */
const drawn = new Uint8Array(4_096);
let used = drawn.length;

function randomHex(bytes: number): string {
  if (used + bytes > drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  used += bytes;
  return Buffer.from(drawn.buffer, used - bytes, bytes).toString('hex');
}

/** Runs `work` with `context` as the trace that `currentTrace` and logs see. */
export function withTrace<Result>(context: TraceContext, work: () => Result): Result {
  return storage.run(context, work);
}

/** Headers by which whoever is called, or takes work from a queue, goes on with the trace of the running work. */
export function traceHeaders(): Readonly<Record<string, string>> {
  const traceparent = currentTraceparent();
  return traceparent === undefined ? {} : { traceparent };
}

/** The trace of the running work as a W3C traceparent. */
export function currentTraceparent(): string | undefined {
  const current = currentTrace();
  return current && formatTraceparent(current);
}

/** The trace of the running work: OpenTelemetry's active span where its SDK is loaded, else that of `withTrace`. */
export function currentTrace(): TraceContext | undefined {
  const span = trace.getActiveSpan()?.spanContext();
  if (span !== undefined && isSpanContextValid(span)) {
    return { traceId: span.traceId, spanId: span.spanId, sampled: (span.traceFlags & 1) === 1 };
  }
  return storage.getStore();
}
