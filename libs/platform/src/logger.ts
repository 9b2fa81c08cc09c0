import { type DestinationStream, type Logger as PinoLogger, pino, stdTimeFunctions } from 'pino';
import { currentTrace } from './trace-context.js';

/** Levels of logs, most serious first. */
export const logLevels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** A level of `logLevels`. */
export type LogLevel = (typeof logLevels)[number];

/** Writes JSON lines. */
export type Logger = PinoLogger;

/** Settings of a logger. */
export interface LoggerOptions {
  /** Default `info`. */
  readonly level?: LogLevel;
  /** Where lines go. Default: standard error, so that standard output stays free for results. */
  readonly destination?: DestinationStream;
}

/** Makes a logger of JSON lines with name, time (RFC 3339) and the running call's trace ids. */
export function createLogger(name: string, options: LoggerOptions = {}): Logger {
  return pino(
    {
      name,
      level: options.level ?? 'info',
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      mixin: () => {
        const trace = currentTrace();
        return trace === undefined ? {} : { trace_id: trace.traceId, span_id: trace.spanId };
      },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
}
