import type { Metadata } from '@grpc/grpc-js';
import { type AnyMethod, methodKind, type PerceptRpcError, rpcError } from '@percept/contracts';
import type { CallContext } from './call-context.js';
import { deadlineReached } from './deadline-reached.js';
import type { ErrorRules } from './error-mapping.js';
import type { Logger } from './logger.js';
import type { OpenCalls } from './open-calls.js';
import { childTrace, formatTraceparent, parseTraceparent, type TraceContext } from './trace-context.js';

/** What the calls of a server share. */
export interface CallSettings {
  readonly log: Logger;
  /** Time for a call with a single response whose client set no deadline, in milliseconds. */
  readonly defaultTimeoutMs: number;
  readonly errorRules: ErrorRules;
  readonly openCalls: OpenCalls;
}

/** A call under way. */
export interface CallScope {
  readonly context: CallContext;
  readonly trace: TraceContext;
  /** Rejects when the call ends before its handler does: cancelled, too late, or given up by the draining server. */
  readonly ended: Promise<never>;
  /** Why the call ended, if it did; otherwise the handler's own error. */
  reasonOf(error: unknown): unknown;
  /** The handler is done: nothing ends the call any more. */
  release(): void;
}

/** What grpc-js tells about a call, whatever its kind. */
interface ServerCall {
  readonly metadata: Metadata;
  getPeer(): string;
  getDeadline(): Date | number;
  on(event: 'cancelled', listener: () => void): unknown;
}

/** Longest delay of a Node timer, in milliseconds. */
const longestTimer = 2_147_483_647;

/** Opens the scope of a call and wires cancellation, deadline and draining to its signal. */
export function openCallScope(call: ServerCall, method: AnyMethod, settings: CallSettings): CallScope {
  // `observeCalls` has put the call's own span there.
  const trace = parseTraceparent(call.metadata.get('traceparent')[0]?.toString()) ?? childTrace(undefined);
  const deadline = deadlineOf(call, method, settings);
  const controller = new AbortController();
  const { signal } = controller;
  const abort = (reason: PerceptRpcError): void => controller.abort(reason);
  const ended = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  // The handler may be done before anyone waits for the end.
  ended.catch(() => undefined);

  let released = false;
  call.on('cancelled', () => {
    // grpc-js also says so after every answer.
    if (!released) abort(deadlineReached(deadline) ? tooLate() : rpcError('CANCELLED', 'the call was cancelled'));
  });
  const delay = deadline === undefined ? longestTimer : deadline.getTime() - Date.now();
  const timer = delay < longestTimer ? setTimeout(() => abort(tooLate()), Math.max(0, delay)) : undefined;
  const forget = settings.openCalls.add(methodKind(method), abort);
  const name = method.path.slice(1);
  let log: Logger | undefined;
  return {
    context: {
      signal,
      deadline,
      traceparent: formatTraceparent(trace),
      metadata: call.metadata,
      peer: call.getPeer(),
      method: name,
      // Made at the first line, since most calls write none of their own.
      get log() {
        log ??= settings.log.child({ method: name, trace_id: trace.traceId, span_id: trace.spanId });
        return log;
      },
    },
    trace,
    ended,
    reasonOf: (error) => (signal.aborted ? signal.reason : error),
    release: () => {
      released = true;
      clearTimeout(timer);
      forget();
    },
  };
}

function deadlineOf(call: ServerCall, method: AnyMethod, settings: CallSettings): Date | undefined {
  const asked = call.getDeadline();
  if (asked instanceof Date) return asked;
  if (Number.isFinite(asked)) return new Date(asked);
  // A stream is followed for as long as it lives: only its client knows when that is too long.
  return method.responseStream ? undefined : new Date(Date.now() + settings.defaultTimeoutMs);
}

function tooLate(): PerceptRpcError {
  return rpcError('DEADLINE_EXCEEDED', 'the deadline passed before the answer was ready');
}
