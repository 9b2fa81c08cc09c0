import type { Any } from './gen/google/protobuf/any.js';
import { BadRequest, RetryInfo } from './gen/google/rpc/error_details.js';
import { Status } from './gen/google/rpc/status.js';

/** One thing wrong with a request, named by the path of its field, such as `options.norm` or `targets[3]`. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

/** What an error carries besides code and message. */
export interface ErrorDetails {
  readonly violations?: readonly FieldViolation[];
  /** In milliseconds, at least 0. */
  readonly retryDelayMs?: number | undefined;
}

const typePrefix = 'type.googleapis.com/';
const badRequestType = `${typePrefix}google.rpc.BadRequest`;
const retryInfoType = `${typePrefix}google.rpc.RetryInfo`;

/** Clients built on gRPC's C core may refuse trailers above 8 KiB; base64 makes 4 of 3 bytes. */
const mostBytes = 4_500;
const longestDescription = 300;

/** Encodes details as a google.rpc.Status; undefined when there are none. Violations beyond what trailers may hold become one that counts them. */
export function encodeErrorDetails(code: number, message: string, details: ErrorDetails): Uint8Array | undefined {
  const encoded: Any[] = [];
  if (details.retryDelayMs !== undefined) {
    const seconds = Math.floor(details.retryDelayMs / 1000);
    const nanos = Math.round((details.retryDelayMs - seconds * 1000) * 1e6);
    encoded.push({
      typeUrl: retryInfoType,
      value: RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish(),
    });
  }
  if (details.violations !== undefined && details.violations.length > 0) {
    const fieldViolations = withinLimit(details.violations);
    encoded.push({ typeUrl: badRequestType, value: BadRequest.encode({ fieldViolations }).finish() });
  }
  if (encoded.length === 0) return undefined;
  return Status.encode({ code, message: message.slice(0, longestDescription), details: encoded }).finish();
}

/** Decodes the details of a google.rpc.Status; unknown kinds are passed over, and bytes that are none give no details. */
export function decodeErrorDetails(bytes: Uint8Array): ErrorDetails {
  try {
    const violations: FieldViolation[] = [];
    let retryDelayMs: number | undefined;
    for (const { typeUrl, value } of Status.decode(bytes).details) {
      if (typeUrl === badRequestType) violations.push(...BadRequest.decode(value).fieldViolations);
      if (typeUrl === retryInfoType) {
        const delay = RetryInfo.decode(value).retryDelay;
        if (delay !== undefined) retryDelayMs = delay.seconds * 1000 + delay.nanos / 1e6;
      }
    }
    return { violations, retryDelayMs };
  } catch {
    // The error itself matters more than details of a server that speaks another dialect.
    return {};
  }
}

function withinLimit(violations: readonly FieldViolation[]): FieldViolation[] {
  const kept: FieldViolation[] = [];
  let bytes = 0;
  for (const { field, description } of violations) {
    const short = { field: field.slice(0, longestDescription), description: description.slice(0, longestDescription) };
    bytes += Buffer.byteLength(short.field) + Buffer.byteLength(short.description) + 8;
    if (bytes > mostBytes) {
      kept.push({ field: '', description: `and ${violations.length - kept.length} more violations` });
      break;
    }
    kept.push(short);
  }
  return kept;
}
