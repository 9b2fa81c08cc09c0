import { randomBytes } from 'node:crypto';
import { invalidArgument, PerceptRpcError, rpcError, type StatusName } from '@percept/contracts';
import type { Logger } from './logger.js';
import { violationsOf } from './violations.js';

/** What an error of a class name becomes: its code, and the message unless the error's own may be told. */
export interface ErrorRule {
  readonly code: StatusName;
  /** Told instead of the error's own message. */
  readonly message?: string;
  /** In milliseconds. */
  readonly retryDelayMs?: number;
  /** Happens by policy and often: the error's own words go to the log at level debug only. */
  readonly expected?: boolean;
  /** Keeps the caller's gRPC library from sending the call again by itself. */
  readonly noAutomaticRetry?: boolean;
}

/** Where lines about a call go; a getter may make the logger when it is first needed. */
interface Logging {
  readonly log: Logger;
}

/** Rules by class name: names survive the way out of a worker thread, classes do not. */
export type ErrorRules = Readonly<Record<string, ErrorRule>>;

const storeUnavailable: ErrorRule = { code: 'UNAVAILABLE', message: 'the store is not available', retryDelayMs: 1_000 };
const busUnavailable: ErrorRule = {
  code: 'UNAVAILABLE',
  message: 'the message bus is not available',
  retryDelayMs: 1_000,
};
const stopping: ErrorRule = { code: 'UNAVAILABLE', message: 'the service is shutting down' };

/** Errors of the platform's own libraries. */
const platformRules: ErrorRules = {
  JobNotFoundError: { code: 'NOT_FOUND' },
  JobQuotaError: { code: 'RESOURCE_EXHAUSTED', retryDelayMs: 5_000 },
  RequestIdReusedError: { code: 'ALREADY_EXISTS' },
  KeyNotFoundError: { code: 'NOT_FOUND', message: 'the object does not exist' },
  ConditionFailedError: { code: 'ABORTED', message: 'someone else changed the same object; try again' },
  RemoteModelError: { code: 'UNIMPLEMENTED' },
  RemoteModelNotFoundError: { code: 'NOT_FOUND' },
  RemoteModelAnswerError: { code: 'FAILED_PRECONDITION' },
  // The endpoint has been asked several times; the caller's gRPC library doing the same would multiply the load.
  EndpointUnavailableError: { code: 'UNAVAILABLE', retryDelayMs: 1_000, noAutomaticRetry: true },
  EndpointBusyError: { code: 'RESOURCE_EXHAUSTED', retryDelayMs: 1_000 },
  NonFiniteLogitsError: { code: 'FAILED_PRECONDITION' },
  CorruptWeightsError: { code: 'DATA_LOSS' },
  StoreFullError: { code: 'RESOURCE_EXHAUSTED', message: 'the store is full' },
  StoreUnavailableError: storeUnavailable,
  BusUnavailableError: busUnavailable,
  BusClosedError: stopping,
  PoolClosedError: stopping,
  QueueFullError: {
    code: 'RESOURCE_EXHAUSTED',
    message: 'too many calls wait for a worker',
    retryDelayMs: 1_000,
    expected: true,
  },
  TaskCancelledError: { code: 'CANCELLED', message: 'the call was cancelled' },
  AbortError: { code: 'CANCELLED', message: 'the call was cancelled' },
};

/** Codes with which another service of ours blames the request, and whose words may be passed on. */
const passedOn: readonly StatusName[] = [
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'ABORTED',
  'RESOURCE_EXHAUSTED',
  'UNIMPLEMENTED',
  'CANCELLED',
  'DEADLINE_EXCEEDED',
];

/**
 * Turns whatever a handler threw into the error that its caller sees. What nobody foresaw becomes INTERNAL with an id and
 * without a word about its cause; the log has both.
 */
export function toRpcError(error: unknown, to: Logging, rules: ErrorRules = {}): PerceptRpcError {
  if (error instanceof PerceptRpcError) return fromRpcError(error, to);
  const violations = violationsOf(error);
  if (violations !== undefined) return invalidArgument(violations);
  if (error instanceof Error) {
    const rule = ruleFor(rules, error.name) ?? ruleFor(platformRules, error.name);
    if (rule !== undefined) {
      const { code, message, noAutomaticRetry = false } = rule;
      if (message !== undefined) to.log[rule.expected ? 'debug' : 'warn']({ err: error }, message);
      const retryDelayMs = code === 'RESOURCE_EXHAUSTED' ? spread(rule.retryDelayMs) : rule.retryDelayMs;
      return rpcError(code, message ?? error.message, { retryDelayMs, noAutomaticRetry, cause: error });
    }
  }
  return internal(error, to);
}

/** Between a delay and twice as long: those who were refused together should not come back together. */
function spread(delayMs: number | undefined): number | undefined {
  return delayMs === undefined ? undefined : Math.round(delayMs * (1 + Math.random()));
}

function ruleFor(rules: ErrorRules, name: string): ErrorRule | undefined {
  return Object.hasOwn(rules, name) ? rules[name] : undefined;
}

function fromRpcError(error: PerceptRpcError, to: Logging): PerceptRpcError {
  if (error.origin === 'local') return error.code === 'UNKNOWN' ? internal(error, to) : error;
  if (passedOn.includes(error.code)) return error;
  if (error.code === 'UNAVAILABLE') {
    to.log.warn({ err: error }, 'a service this call depends on is not available');
    const retryDelayMs = error.retryDelayMs ?? 1_000;
    // This service's own client has tried several times; its callers doing the same would multiply the load.
    return rpcError('UNAVAILABLE', 'a service this call depends on is not available', {
      retryDelayMs,
      noAutomaticRetry: true,
      cause: error,
    });
  }
  return internal(error, to);
}

function internal(error: unknown, to: Logging): PerceptRpcError {
  const errorId = randomBytes(6).toString('hex');
  to.log.error({ err: error, error_id: errorId }, 'a call failed unexpectedly');
  return rpcError('INTERNAL', `internal error; the service's log has it under ${errorId}`, { cause: error });
}
