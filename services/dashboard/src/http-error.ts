import { PerceptRpcError, type StatusName } from '@percept/contracts';
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

const httpStatusOf: Partial<Readonly<Record<StatusName, number>>> = {
  CANCELLED: 499,
  INVALID_ARGUMENT: 400,
  OUT_OF_RANGE: 400,
  DEADLINE_EXCEEDED: 504,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  FAILED_PRECONDITION: 409,
  PERMISSION_DENIED: 403,
  RESOURCE_EXHAUSTED: 429,
  UNIMPLEMENTED: 501,
  UNAVAILABLE: 503,
};

/** Turns any failure into what the browser is told; what is not known answers 500 without its inner text. */
export function asHttpError(error: unknown): HttpError {
  if (error instanceof HttpError) return error;
  if (!(error instanceof PerceptRpcError)) {
    return new HttpError(500, 'INTERNAL', 'The dashboard failed to answer; its log says why.');
  }
  const { code, rawMessage } = error;
  const unreached = code === 'UNAVAILABLE' && (rawMessage === '' || rawMessage.includes('No connection established'));
  const message = unreached ? 'A service does not answer.' : rawMessage || `The service answered ${code}.`;
  return new HttpError(httpStatusOf[code] ?? 502, code, message);
}

/** The JSON body of an error. */
export function errorView(error: HttpError): ErrorView {
  return { error: { code: error.code, message: error.message } };
}
