export type { CallContext } from './call-context.js';
export { type ChassisConfig, chassisConfig } from './chassis-config.js';
export { ConfigError, type ConfigTable, configHelp, type Environment, readConfig } from './config-table.js';
export {
  boolean,
  type ConfigVariable,
  choice,
  integer,
  list,
  number,
  type Parsed,
  type Presence,
  type Range,
  secret,
  text,
  type VariableOptions,
} from './config-variable.js';
export { type ErrorRule, type ErrorRules, toRpcError } from './error-mapping.js';
export { createLogger, type Logger, type LoggerOptions, type LogLevel, logLevels } from './logger.js';
export { createMetrics, type GrpcType, type Metrics } from './metrics.js';
export { type ProcessOptions, runProcess } from './run-process.js';
export { type Handler, type MountedService, mount, type ServiceHandlers } from './service-handlers.js';
export {
  type Closable,
  closeAll,
  ListenError,
  type RunningService,
  type StartServiceOptions,
  startService,
} from './start-service.js';
export {
  childTrace,
  currentTrace,
  formatTraceparent,
  parseTraceparent,
  type TraceContext,
  withTrace,
} from './trace-context.js';
export { Violations, violationsOf } from './violations.js';
