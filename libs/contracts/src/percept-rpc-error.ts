import { Metadata, type StatusObject } from '@grpc/grpc-js';
import { decodeErrorDetails, type ErrorDetails, encodeErrorDetails, type FieldViolation } from './error-details.js';
import { type StatusName, statusName, statusNumber } from './status-name.js';

const detailsKey = 'grpc-status-details-bin';
/** gRPC clients that read a negative number here do not send the call again (gRFC A6). */
const pushbackKey = 'grpc-retry-pushback-ms';
const longestMessage = 1_000;

/** What `rpcError` takes besides code and message. */
export interface RpcErrorOptions extends ErrorDetails {
  /** Keeps the client's gRPC library from sending the call again by itself. Default false. */
  readonly noAutomaticRetry?: boolean;
  readonly cause?: unknown;
}

/** An error as it crosses a gRPC boundary: thrown by clients of `createClient`, and by servers to answer with a status. */
export class PerceptRpcError extends Error {
  override readonly name = 'PerceptRpcError';
  readonly code: StatusName;
  /** The message without the code in front. */
  readonly rawMessage: string;
  /** Every wrong field of the request; empty unless the code is INVALID_ARGUMENT. */
  readonly violations: readonly FieldViolation[];
  /** How long to wait before trying again, in milliseconds, where the server said so. */
  readonly retryDelayMs: number | undefined;
  readonly noAutomaticRetry: boolean;
  /** Where the error arose: built in this process, or received from another. */
  readonly origin: 'local' | 'remote';

  constructor(code: StatusName, message: string, options: RpcErrorOptions & { origin?: 'local' | 'remote' } = {}) {
    super(`${code}: ${message}`, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.rawMessage = message;
    this.violations = options.violations ?? [];
    this.retryDelayMs = options.retryDelayMs;
    this.noAutomaticRetry = options.noAutomaticRetry ?? false;
    this.origin = options.origin ?? 'local';
  }

  /** Turns whatever a gRPC call threw into a PerceptRpcError; its cause is the original. */
  static from(error: unknown): PerceptRpcError {
    if (error instanceof PerceptRpcError) return error;
    if (isServiceError(error)) {
      const details = detailsOf(error.metadata);
      return new PerceptRpcError(statusName(error.code), error.details, { ...details, cause: error, origin: 'remote' });
    }
    if (error instanceof Error && error.name === 'AbortError') {
      return new PerceptRpcError('CANCELLED', error.message, { cause: error });
    }
    return new PerceptRpcError('UNKNOWN', error instanceof Error ? error.message : String(error), { cause: error });
  }

  /** The status that a server sends for this error, details included. */
  toStatus(): Pick<StatusObject, 'code' | 'details' | 'metadata'> {
    const code = statusNumber(this.code);
    // A lone surrogate, as cutting may leave one, cannot be written into a header.
    const details = this.rawMessage.slice(0, longestMessage).replace(/\p{Surrogate}/gu, '\uFFFD');
    const metadata = new Metadata();
    const encoded = encodeErrorDetails(code, details, this);
    if (encoded !== undefined) metadata.set(detailsKey, Buffer.from(encoded));
    if (this.noAutomaticRetry) metadata.set(pushbackKey, '-1');
    return { code, details, metadata };
  }
}

/** Builds the error that answers a call with `code`; details travel as google.rpc messages. */
export function rpcError(code: StatusName, message: string, options: RpcErrorOptions = {}): PerceptRpcError {
  return new PerceptRpcError(code, message, options);
}

/** Builds the INVALID_ARGUMENT that names every violation at once. */
export function invalidArgument(violations: readonly FieldViolation[]): PerceptRpcError {
  const named = violations.slice(0, 3).map(({ field, description }) => `${field}: ${description}`);
  const more = violations.length > 3 ? `; and ${violations.length - 3} more` : '';
  return new PerceptRpcError('INVALID_ARGUMENT', `${named.join('; ')}${more}`, { violations });
}

interface GrpcServiceError extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata?: Metadata;
}

function isServiceError(error: unknown): error is GrpcServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

function detailsOf(metadata: Metadata | undefined): ErrorDetails {
  const value = metadata?.get(detailsKey)[0];
  if (!(value instanceof Uint8Array)) return {};
  return decodeErrorDetails(value);
}
