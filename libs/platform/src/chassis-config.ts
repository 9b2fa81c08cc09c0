import type { ConfigTable } from './config-table.js';
import { choice, integer, text } from './config-variable.js';
import { type LogLevel, logLevels } from './logger.js';
import { type SecurityConfig, securityConfig } from './security/security-config.js';

/** What every service process reads besides its own variables. */
export interface ChassisConfig extends SecurityConfig {
  readonly host: string;
  readonly port: number;
  readonly metricsPort: number | undefined;
  readonly logLevel: LogLevel;
  readonly drainMs: number;
}

/** The variables of the chassis; a service spreads them into its own table. */
export const chassisConfig: ConfigTable<ChassisConfig> = {
  ...securityConfig,
  host: text({ env: 'PERCEPT_HOST', description: 'Address to listen on.', default: '127.0.0.1' }),
  port: integer({
    env: 'PERCEPT_PORT',
    description: 'Port to listen on; 0 takes a free one.',
    minimum: 0,
    maximum: 65_535,
    default: 0,
  }),
  metricsPort: integer({
    env: 'PERCEPT_METRICS_PORT',
    description: 'Port of Prometheus metrics over HTTP; 0 takes a free one. Without it there are none.',
    minimum: 0,
    maximum: 65_535,
    optional: true,
  }),
  logLevel: choice({
    env: 'PERCEPT_LOG_LEVEL',
    description: 'Least serious level that is logged.',
    choices: logLevels,
    default: 'info',
  }),
  drainMs: integer({
    env: 'PERCEPT_DRAIN_MS',
    description: 'Time that calls under way get at the end of the process, in milliseconds.',
    minimum: 0,
    maximum: 600_000,
    default: 10_000,
  }),
};
