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
export type { Dependency, ReadinessOptions } from './readiness.js';
export { type ProcessOptions, runProcess } from './run-process.js';
export {
  loadClientSecurity,
  loadSecurity,
  loadServiceSecurity,
  type Security,
  type ServerSecurity,
  type ServerTls,
} from './security/load-security.js';
export { isLoopback } from './security/loopback.js';
export {
  admitOutbound,
  defaultOutbound,
  type Endpoint,
  type OutboundAllowList,
  type OutboundConfig,
  type OutboundRule,
  outboundConfig,
  parseEndpoint,
} from './security/outbound.js';
export { callScopes, type GrantedScope, isGrantedScope, type Scope, scopes } from './security/scopes.js';
export {
  type ClientSecurityConfig,
  clientSecurityConfig,
  type SecurityConfig,
  securityConfig,
  type TlsMode,
  tlsModes,
} from './security/security-config.js';
export { bearerToken, type TokenEntry, TokensFileError, TokenTable, type Verdict } from './security/token-table.js';
export { type Handler, type MountedService, mount, type ServiceHandlers } from './service-handlers.js';
export { beginSpan, type WorkSpan } from './spans.js';
export {
  type Closable,
  closeAll,
  InsecureListenError,
  ListenError,
  livenessName,
  type RunningService,
  refuseInsecureHost,
  type StartServiceOptions,
  startService,
} from './start-service.js';
export {
  childTrace,
  currentTrace,
  currentTraceparent,
  formatTraceparent,
  parseTraceparent,
  type TraceContext,
  traceHeaders,
  withTrace,
} from './trace-context.js';
export { Violations, violationsOf } from './violations.js';
