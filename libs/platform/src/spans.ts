import { type Attributes, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { childTrace, type TraceContext } from './trace-context.js';

/** A piece of work as OpenTelemetry sees it, where its SDK is loaded; a place in a trace everywhere. */
export interface WorkSpan {
  readonly context: TraceContext;
  /** The work is over: what became of it, and whether it failed. */
  end(outcome: { readonly attributes: Attributes; readonly failure?: string }): void;
}

const kinds = { server: SpanKind.SERVER, consumer: SpanKind.CONSUMER } as const;
// Speaks to whatever SDK is loaded, also later.
const tracer = trace.getTracer('percept');

/** Begins a span below `parent`, or a trace of its own: of a call that is answered (server) or of work taken from a queue (consumer). */
export function beginSpan(
  name: string,
  kind: 'server' | 'consumer',
  parent: TraceContext | undefined,
  attributes: Attributes,
): WorkSpan {
  const above = parent === undefined ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, remote(parent));
  const span = tracer.startSpan(name, { kind: kinds[kind], attributes }, above);
  const { traceId, spanId, traceFlags } = span.spanContext();
  // Without an SDK the span is its parent's, or none.
  const isOwn = trace.isSpanContextValid(span.spanContext()) && spanId !== parent?.spanId;
  return {
    context: isOwn ? { traceId, spanId, sampled: (traceFlags & TraceFlags.SAMPLED) !== 0 } : childTrace(parent),
    end: ({ attributes: found, failure }) => {
      span.setAttributes(found);
      if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure });
      span.end();
    },
  };
}

function remote({ traceId, spanId, sampled }: TraceContext) {
  return { traceId, spanId, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE, isRemote: true };
}
