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

/**
 * Lets a command's mistakes be told by its own flags: `flags` says which option sets a field of the request. Other errors pass unchanged.
 */
export async function namingFlags<Result>(
  flags: Readonly<Record<string, string>>,
  work: Promise<Result>,
): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof PerceptRpcError) || error.code !== 'INVALID_ARGUMENT' || error.violations.length === 0) {
      throw error;
    }
    const named = error.violations.map(({ field, description }) => {
      const name = Object.keys(flags).find((each) => /^($|[.[])/.test(field.replace(each, '')));
      return { field: name === undefined ? field : field.replace(name, flags[name] as string), description };
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
