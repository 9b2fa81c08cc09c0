import type { Metadata } from '@grpc/grpc-js';
import type { Logger } from './logger.js';

/**
 * What a handler knows of its call besides the request. It is also the options of a downstream call: `client.get(request,
 * context)` passes deadline, cancellation and trace on.
 */
export interface CallContext {
  /** Fires when the client cancels or leaves, when the deadline passes, or when the service gives up draining. */
  readonly signal: AbortSignal;
  /** Until when the answer is wanted; undefined for streams without a deadline. */
  readonly deadline: Date | undefined;
  /** W3C trace context of this call. */
  readonly traceparent: string;
  /** Headers of the call. */
  readonly metadata: Metadata;
  /** Address of the client. */
  readonly peer: string;
  /** Full name of the call, such as `percept.v1.Attack/Targeted`. */
  readonly method: string;
  /** Logs with the call's name and trace ids. */
  readonly log: Logger;
}
