import { Server, ServerCredentials } from '@grpc/grpc-js';
import { defaultTimeoutMs, type MethodKind, maxMessageBytes, serviceName } from '@percept/contracts';
import { HealthImplementation } from 'grpc-health-check';
import { adaptHandlers } from './adapt-handlers.js';
import type { ErrorRules } from './error-mapping.js';
import { createLogger, type Logger } from './logger.js';
import { createMetrics, type Metrics } from './metrics.js';
import { observeCalls } from './observe-calls.js';
import { OpenCalls } from './open-calls.js';
import { type Dependency, type ReadinessOptions, ReadinessWatch } from './readiness.js';
import { reflectionFor } from './reflection.js';
import { authorizeCalls } from './security/authorize-calls.js';
import type { ServerSecurity, ServerTls } from './security/load-security.js';
import { isLoopback } from './security/loopback.js';
import { type MetricsEndpoint, serveMetrics } from './serve-metrics.js';
import type { MountedService } from './service-handlers.js';

/** Anything that must be closed in the end. */
export interface Closable {
  close(): Promise<void> | void;
}

/** Settings of a server. */
export interface StartServiceOptions {
  /** Name in logs. */
  readonly name: string;
  readonly services: readonly MountedService[];
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free port. */
  readonly port?: number;
  /** Port of the metrics endpoint; 0 takes a free one. Default: none. */
  readonly metricsPort?: number | undefined;
  /** What the services own, in the order it was opened; closed in reverse after the last call. */
  readonly resources?: readonly Closable[];
  /** What the services cannot work without: health says NOT_SERVING while one of them is missing. Default: none. */
  readonly dependencies?: readonly Dependency[];
  readonly readiness?: ReadinessOptions;
  /** Default: JSON lines to standard error. */
  readonly logger?: Logger;
  /** Default: a registry of its own. */
  readonly metrics?: Metrics;
  /** Codes of the services' own errors, by class name. */
  readonly errorRules?: ErrorRules;
  /** Default: no TLS, no tokens, on loopback only. */
  readonly security?: ServerSecurity;
  /** Time for calls with a single response that come without a deadline, in milliseconds. Default 60,000. */
  readonly defaultTimeoutMs?: number;
  /** Time that calls under way get when the server closes, in milliseconds. Default 10,000. */
  readonly drainMs?: number;
}

/** A running server. */
export interface RunningService {
  readonly name: string;
  /** HOST:PORT that clients connect to. */
  readonly address: string;
  readonly port: number;
  /** HOST:PORT of the metrics endpoint, where there is one. */
  readonly metricsAddress: string | undefined;
  readonly metrics: Metrics;
  /**
   * Drains: health says NOT_SERVING, no new calls, streams end within a second and other calls within `drainMs`, then what the
   * services own is closed in reverse order. Safe to call again.
   *
   * @throws AggregateError when something could not be closed; the rest is closed all the same.
   */
  close(): Promise<void>;
}

/** The address cannot be listened on. */
export class ListenError extends Error {
  override readonly name = 'ListenError';
}

/** The server would be open to other machines without TLS or without tokens, and nobody said that this is meant. */
export class InsecureListenError extends Error {
  override readonly name = 'InsecureListenError';

  constructor(host: string, { tls, tokens }: ServerSecurity) {
    const missing = [
      tls === undefined ? 'TLS (PERCEPT_TLS)' : '',
      tokens === undefined ? 'tokens (PERCEPT_TOKENS_FILE)' : '',
    ];
    super(
      `refused to listen on ${host}, which other machines reach, without ${missing.filter((each) => each !== '').join(' and ')}; ` +
        'PERCEPT_ALLOW_INSECURE=true does it all the same',
    );
  }
}

const streams: readonly MethodKind[] = ['server-stream', 'bidi-stream'];
const singles: readonly MethodKind[] = ['unary', 'client-stream'];
const longestStreamDrainMs = 1_000;

/** Throws InsecureListenError unless a host is loopback, or has both TLS and tokens, or insecurity was asked for. */
export function refuseInsecureHost(host: string, security: ServerSecurity): void {
  const secured = security.tls !== undefined && security.tokens !== undefined;
  if (!isLoopback(host) && !secured && security.allowInsecure !== true) throw new InsecureListenError(host, security);
}

/** The name under which health says SERVING as long as the process answers, whatever it depends on. */
export const livenessName = 'liveness';

/**
 * Serves services on one port, with health and reflection beside them. Health of a service (full name), and with '' of the whole server,
 * says whether all dependencies are there and the server is not closing.
 *
 * @throws ListenError when the port cannot be had, InsecureListenError beyond loopback without TLS and tokens.
 */
export async function startService(options: StartServiceOptions): Promise<RunningService> {
  const { security = {} } = options;
  const host = options.host ?? '127.0.0.1';
  refuseInsecureHost(host, security);
  const log = options.logger ?? createLogger(options.name);
  const metrics = options.metrics ?? createMetrics();
  const openCalls = new OpenCalls();
  const server = new Server({
    'grpc.max_receive_message_length': maxMessageBytes,
    'grpc.max_send_message_length': maxMessageBytes,
    interceptors: [observeCalls(log, metrics), authorizeCalls(security.tokens)],
  });
  const settings = {
    log,
    openCalls,
    defaultTimeoutMs: options.defaultTimeoutMs ?? defaultTimeoutMs,
    errorRules: options.errorRules ?? {},
  };
  const names = options.services.map(({ definition }) => serviceName(definition));
  for (const service of options.services) {
    const { definition, implementation } = adaptHandlers(service, settings);
    server.addService(definition, implementation);
  }
  const health = new HealthImplementation({
    [livenessName]: 'SERVING',
    ...Object.fromEntries(['', ...names].map((name) => [name, 'NOT_SERVING'])),
  });
  health.addToServer(server);
  reflectionFor(names).addToServer(server);

  const port = await bind(server, host, options.port ?? 0, credentialsOf(security.tls));
  const resources: Closable[] = [...(options.resources ?? [])];
  let endpoint: MetricsEndpoint | undefined;
  if (options.metricsPort !== undefined) {
    try {
      endpoint = await serveMetrics(metrics, host, options.metricsPort);
    } catch (error) {
      server.forceShutdown();
      throw new ListenError(`cannot serve metrics on ${host}:${options.metricsPort}`, { cause: error });
    }
    resources.push(endpoint);
  }
  const setServing = (serving: boolean): void => {
    for (const name of ['', ...names]) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  const readiness = new ReadinessWatch(options.dependencies ?? [], log, setServing, options.readiness);
  await readiness.start();
  const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  log.info({ address, services: names }, 'serving');

  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    readiness.close();
    setServing(false);
    await drain(server, openCalls, options.drainMs ?? 10_000, log);
    await closeAll(resources, log);
    log.info('closed');
  };
  return {
    name: options.name,
    address,
    port,
    metricsAddress: endpoint?.address,
    metrics,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

/** Closes resources in reverse order; one that fails does not keep the others open. Throws AggregateError in the end. */
export async function closeAll(resources: readonly Closable[], log: Logger): Promise<void> {
  const failures: unknown[] = [];
  for (const resource of [...resources].reverse()) {
    try {
      await resource.close();
    } catch (error) {
      log.error({ err: error }, 'a resource could not be closed');
      failures.push(error);
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'some resources could not be closed');
}

function credentialsOf(tls: ServerTls | undefined): ServerCredentials {
  if (tls === undefined) return ServerCredentials.createInsecure();
  const pair = { private_key: Buffer.from(tls.key), cert_chain: Buffer.from(tls.certificate) };
  const { clientAuthorities } = tls;
  return ServerCredentials.createSsl(
    clientAuthorities === undefined ? null : Buffer.from(clientAuthorities),
    [pair],
    clientAuthorities !== undefined,
  );
}

async function bind(server: Server, host: string, port: number, credentials: ServerCredentials): Promise<number> {
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  try {
    return await new Promise<number>((resolve, reject) => {
      server.bindAsync(target, credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
    });
  } catch (error) {
    server.forceShutdown();
    throw new ListenError(`cannot listen on ${target}`, { cause: error });
  }
}

async function drain(server: Server, openCalls: OpenCalls, drainMs: number, log: Logger): Promise<void> {
  const streamTimer = setTimeout(() => openCalls.endAll(streams), Math.min(drainMs, longestStreamDrainMs));
  const singleTimer = setTimeout(() => {
    if (openCalls.size > 0) log.warn({ calls: openCalls.size }, 'calls did not end in time');
    openCalls.endAll(singles);
  }, drainMs);
  // Answers of calls that were ended above still need a moment to leave.
  const forceTimer = setTimeout(() => server.forceShutdown(), drainMs + 500);
  await new Promise<void>((resolve) => {
    server.tryShutdown((error) => {
      if (error) server.forceShutdown();
      resolve();
    });
  });
  for (const timer of [streamTimer, singleTimer, forceTimer]) clearTimeout(timer);
}
