import path from 'node:path';
import { startAttack } from '@percept/attack-service';
import { memoryBus } from '@percept/bus';
import { startDashboard } from '@percept/dashboard-service';
import { startDataset } from '@percept/dataset-service';
import { startEvaluation } from '@percept/evaluation-service';
import { type ServiceParts, sharedEndpoint } from '@percept/gateways';
import { startInference } from '@percept/inference-service';
import { GarbageDuty, JobQueue, JobRepository, jobDependencies, jobsService } from '@percept/jobs';
import {
  type Closable,
  closeAll,
  createLogger,
  defaultOutbound,
  type LogLevel,
  type OutboundAllowList,
  refuseInsecureHost,
  type Security,
  startService,
} from '@percept/platform';
import { openStore } from '@percept/store';
import type { EngineName } from '@percept/tensor';
import { startTraining } from '@percept/training-service';
import { type RunningPercept, removeEndpoints, writeEndpoints } from './endpoints-file.js';
import { freePort } from './free-port.js';
import { withInternalToken } from './internal-token.js';
import { reachableHost } from './reachable-host.js';

/** How all services run in one process. */
export interface EmbeddedOptions {
  readonly dataFolder: string;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly engine?: EngineName;
  /** Compute workers per service, and the engine's threads in each. */
  readonly workers: number;
  readonly threads: number;
  readonly dashboard: { readonly port: number } | undefined;
  readonly logLevel: LogLevel;
  /** Where callers may have the services connect. Default: to the archive of CIFAR-10. */
  readonly outbound?: OutboundAllowList;
  /** Who may call, and how. Default: no TLS, no tokens, on loopback only. */
  readonly security?: Security;
}

/** Running services. */
export interface Embedded extends RunningPercept {
  close(): Promise<void>;
}

/** Starts every service in this process: one gRPC server, a bus in memory, a store in a folder. Unfinished jobs are queued again. */
export async function startEmbedded(options: EmbeddedOptions): Promise<Embedded> {
  const { dataFolder, host, workers, threads, engine, outbound = defaultOutbound } = options;
  const log = createLogger('percept', { level: options.logLevel });
  const onError = (error: unknown): void => log.error({ err: error }, 'a background task failed');
  refuseInsecureHost(host, options.security?.server ?? {});
  const owned: Closable[] = [];
  try {
    const store = await openStore({ kind: 'filesystem', directory: path.join(dataFolder, 'store') });
    owned.push(store);
    // Whoever holds the store is alone in this folder: what still stands there is of a process that was killed.
    await removeEndpoints(dataFolder);
    const bus = memoryBus({ onError });
    owned.push(bus);
    const port = options.port === 0 ? await freePort(host) : options.port;
    const endpoints = sharedEndpoint(`${reachableHost(host)}:${port}`);
    const security = withInternalToken(options.security ?? { server: {}, client: {} });
    const repository = new JobRepository(store);
    const queue = new JobQueue(repository, bus);
    const shared = {
      bus,
      store,
      repository,
      queue,
      endpoints,
      security: security.client,
      outbound,
      workers,
      threads,
      onError,
      ...(engine ? { engine } : {}),
    };
    const dataset = startDataset({ dataFolder: path.join(dataFolder, 'data'), outbound });
    const parts: ServiceParts[] = [];
    for (const start of [startTraining, startAttack, startEvaluation]) {
      const part = await start(shared);
      parts.push(part);
      owned.push(part);
    }
    const inference = await startInference({
      modelsAddress: endpoints.training,
      security: security.client,
      workers: 1,
      threads,
      ...(engine ? { engine } : {}),
    });
    owned.push(inference);
    const kinds = parts.flatMap((part) => [...part.kinds]);
    const server = await startService({
      name: 'percept',
      host,
      port,
      services: [
        ...dataset.services,
        ...parts.flatMap((part) => [...part.services]),
        ...inference.services,
        jobsService({ repository, queue, bus, kinds }),
      ],
      security: security.server,
      dependencies: [...jobDependencies({ bus, store }), ...[...parts, inference].flatMap((part) => part.dependencies)],
      logger: log,
    });
    owned.push(server);
    await queue.requeueUnfinished(kinds, 'are-orphans');
    for (const part of parts) part.start();
    owned.push(new GarbageDuty(repository, { onError }));
    const dashboard =
      options.dashboard &&
      (await startDashboard({
        endpoints,
        host,
        port: options.dashboard.port,
        access: security.server,
        security: security.client,
        onError,
      }));
    if (dashboard) owned.push(dashboard);
    const running = { endpoints, inference: endpoints.training, ...(dashboard ? { dashboard: dashboard.url } : {}) };
    await writeEndpoints(dataFolder, running);
    owned.push({ close: () => removeEndpoints(dataFolder) });
    return { ...running, close: () => closeAll(owned, log) };
  } catch (error) {
    await closeAll(owned, log);
    throw error;
  }
}
