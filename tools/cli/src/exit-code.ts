import { type FieldViolation, PerceptRpcError } from '@percept/contracts';
import { ConfigError, InsecureListenError } from '@percept/platform';
import { JobEndedError, ServicesGoneError } from './follow-job.js';

/** The exit codes of the command. */
export const exitCodes = { done: 0, failed: 1, usage: 2, unavailable: 3, cancelled: 130 } as const;

/** A mistake in the command line. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

/** Which option or argument of a command sets a field of its request, and with it the fields below. */
export type FieldFlags = Readonly<Record<string, string>>;

/** Lets a command's mistakes be told by its own options; the longest path that leads to a field names it. Other errors pass unchanged. */
export async function namingFlags<Result>(flags: FieldFlags, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof PerceptRpcError) || error.code !== 'INVALID_ARGUMENT' || error.violations.length === 0) {
      throw error;
    }
    const paths = Object.keys(flags).sort((a, b) => b.length - a.length);
    const named = error.violations.map(({ field, description }) => {
      const path = paths.find((each) => field.startsWith(each) && /^($|[.[])/.test(field.slice(each.length)));
      return { field: path === undefined ? field : `${flags[path]}${field.slice(path.length)}`, description };
    });
    throw new UsageError(`the command line is not sound:\n${violationLines(named)}`);
  }
}

function violationLines(violations: readonly FieldViolation[]): string {
  return violations.map(({ field, description }) => `  ${field}: ${description}`).join('\n');
}

/** What to print for an error, and which code to leave with. */
export function describeError(error: unknown): { message: string; code: number } {
  if (error instanceof UsageError) return { message: error.message, code: exitCodes.usage };
  if (error instanceof ConfigError || error instanceof InsecureListenError) {
    return { message: error.message, code: exitCodes.usage };
  }
  if (error instanceof ServicesGoneError) return { message: error.message, code: exitCodes.unavailable };
  if (error instanceof JobEndedError) return { message: error.message, code: exitCodes.failed };
  if (error instanceof PerceptRpcError) {
    if (error.code === 'INVALID_ARGUMENT') {
      const { violations, rawMessage } = error;
      return {
        message: violations.length > 0 ? `the request is not sound:\n${violationLines(violations)}` : rawMessage,
        code: exitCodes.usage,
      };
    }
    // With a delay it is a service that answers, about something that it needs itself.
    if (error.code === 'UNAVAILABLE' && error.retryDelayMs !== undefined)
      return { message: `${error.rawMessage}; try again later`, code: exitCodes.unavailable };
    if (error.code === 'UNAVAILABLE') {
      return {
        message: `the services cannot be reached (${error.rawMessage}); start them with: percept up`,
        code: exitCodes.unavailable,
      };
    }
    if (error.code === 'CANCELLED') return { message: 'cancelled', code: exitCodes.cancelled };
    return { message: `${error.code}: ${error.rawMessage}`, code: exitCodes.failed };
  }
  if (error instanceof Error && error.name === 'AbortError') return { message: 'cancelled', code: exitCodes.cancelled };
  return { message: error instanceof Error ? error.message : String(error), code: exitCodes.failed };
}
