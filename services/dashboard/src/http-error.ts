import { status as grpcStatus } from '@grpc/grpc-js';
import type { ErrorView } from './views.js';

/** An answer other than success: an HTTP status, a short code and a sentence for the reader. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

const httpStatusOf: ReadonlyMap<number, number> = new Map([
  [grpcStatus.CANCELLED, 499],
  [grpcStatus.INVALID_ARGUMENT, 400],
  [grpcStatus.OUT_OF_RANGE, 400],
  [grpcStatus.DEADLINE_EXCEEDED, 504],
  [grpcStatus.NOT_FOUND, 404],
  [grpcStatus.ALREADY_EXISTS, 409],
  [grpcStatus.ABORTED, 409],
  [grpcStatus.FAILED_PRECONDITION, 409],
  [grpcStatus.PERMISSION_DENIED, 403],
  [grpcStatus.UNAUTHENTICATED, 502],
  [grpcStatus.RESOURCE_EXHAUSTED, 429],
  [grpcStatus.UNIMPLEMENTED, 501],
  [grpcStatus.UNAVAILABLE, 503],
]);

/** Reads the gRPC status code of an error; undefined when it is not one of gRPC's. */
export function grpcCodeOf(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return undefined;
  return error.code;
}

/** Turns any failure into what the browser is told; what is not known answers 500 without its inner text. */
export function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  const code = grpcCodeOf(error);
  if (code === undefined) return new HttpError(500, 'INTERNAL', 'The dashboard failed to answer; its log says why.');
  const details = error instanceof Error && 'details' in error ? String(error.details) : '';
  const name = grpcStatus[code] ?? 'UNKNOWN';
  const unreached = code === grpcStatus.UNAVAILABLE && (details === '' || details.startsWith('No connection'));
  const message = unreached ? 'A service does not answer.' : details || `The service answered ${name}.`;
  return new HttpError(httpStatusOf.get(code) ?? 502, name, message);
}

/** The JSON body of an error. */
export function errorView(error: HttpError): ErrorView {
  return { error: { code: error.code, message: error.message } };
}
