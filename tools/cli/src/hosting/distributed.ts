import { spawn } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { launchNatsServer, type NatsServer } from '@percept/bus';
import { type ClientSecurity, connect, DatasetService } from '@percept/contracts';
import type { Endpoints } from '@percept/gateways';
import {
  type Closable,
  closeAll,
  createLogger,
  type LogLevel,
  refuseInsecureHost,
  type Security,
} from '@percept/platform';
import { launchVersityGateway, type VersityGateway } from '@percept/store';
import type { EngineName } from '@percept/tensor';
import { dieWithParent } from './die-with-parent.js';
import { type RunningPercept, removeEndpoints, writeEndpoints } from './endpoints-file.js';
import { freePort } from './free-port.js';
import { reachableHost } from './reachable-host.js';

/** How every service runs as a process of its own. */
export interface DistributedOptions {
  readonly dataFolder: string;
  readonly host: string;
  readonly engine?: EngineName;
  readonly workers: number;
  readonly threads: number;
  readonly attackWorkers: number;
  /** Evaluation workers beside the evaluation service. Default 0. */
  readonly evaluationWorkers?: number;
  /** Training workers beside the training service. Default 0. */
  readonly trainingWorkers?: number;
  /** Seconds after which a worker without a sign counts as dead. Default 30. */
  readonly leaseSeconds?: number;
  readonly dashboard: { readonly port: number } | undefined;
  readonly logLevel: LogLevel;
  /** Start a service again when it ends by itself, as a container platform does. Default false. */
  readonly restart?: boolean;
  /** Gives the address by which the processes reach the broker or the store, given its own. Default: the same. */
  readonly through?: (address: string) => Promise<string>;
  /** As this process's own environment has it, which the services inherit. Default: no TLS, no tokens. */
  readonly security?: Security;
  /** More variables of every process. Default: none beside this process's own. */
  readonly environment?: Readonly<Record<string, string>>;
}

/** Running processes. */
export interface Distributed extends RunningPercept {
  /** Rejects when a service ends by itself; workers may come and go. */
  readonly failed: Promise<never>;
  readonly nats: NatsServer;
  readonly s3: VersityGateway;
  /** Process ids of the services that run now, by name. */
  readonly servicePids: ReadonlyMap<string, number>;
  /** Starts one more worker; nothing else notices but by its work. */
  startWorker(group: WorkerGroup): WorkerProcess;
  close(): Promise<void>;
}

/** What workers there are, by the argument of `--worker`. */
export type WorkerGroup = 'attack' | 'train' | 'evaluate';

/** A worker in a process of its own. */
export interface WorkerProcess extends Closable {
  readonly pid: number | undefined;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
}

const workerServices = { attack: 'attack', train: 'training', evaluate: 'evaluation' } as const;

/** A process that does not end on SIGTERM within this time is killed. */
const endMs = 15_000;

const mainOf = (service: string): string => fileURLToPath(import.meta.resolve(`@percept/${service}-service/main`));

/** Starts nats-server, an S3 server and each service as a process of its own, and waits until they answer. */
export async function startDistributed(options: DistributedOptions): Promise<Distributed> {
  const { dataFolder, host } = options;
  const log = createLogger('percept', { level: options.logLevel });
  const through = options.through ?? (async (address: string) => address);
  const servicePids = new Map<string, number>();
  const { server, client } = options.security ?? { server: {}, client: {} };
  refuseInsecureHost(host, server);
  const owned: Closable[] = [];
  let fail: (error: Error) => void = () => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  // Whoever waits for `failed` sees the rejection; nobody has to.
  failed.catch(() => undefined);
  try {
    const nats = await launchNatsServer({ directory: path.join(dataFolder, 'nats'), through: dieWithParent });
    owned.push(nats);
    const s3 = await launchVersityGateway({ directory: path.join(dataFolder, 's3'), through: dieWithParent });
    owned.push(s3);
    const address = async (): Promise<string> => `${reachableHost(host)}:${await freePort(host)}`;
    const endpoints: Endpoints = {
      dataset: await address(),
      training: await address(),
      attack: await address(),
      evaluation: await address(),
    };
    const inference = await address();
    const environment = {
      PERCEPT_NATS_URL: await through(nats.url),
      PERCEPT_STORE: 's3',
      PERCEPT_S3_ENDPOINT: await through(s3.endpoint),
      PERCEPT_S3_BUCKET: 'percept',
      PERCEPT_S3_ACCESS_KEY: s3.accessKey,
      PERCEPT_S3_SECRET_KEY: s3.secretKey,
      PERCEPT_DATA_DIR: path.join(dataFolder, 'data'),
      PERCEPT_DATASET_ADDRESS: endpoints.dataset,
      PERCEPT_TRAINING_ADDRESS: endpoints.training,
      PERCEPT_ATTACK_ADDRESS: endpoints.attack,
      PERCEPT_EVALUATION_ADDRESS: endpoints.evaluation,
      PERCEPT_HOST: host,
      PERCEPT_WORKERS: String(options.workers),
      PERCEPT_THREADS: String(options.threads),
      PERCEPT_LOG_LEVEL: options.logLevel,
      ...(options.leaseSeconds === undefined ? {} : { PERCEPT_LEASE_SECONDS: String(options.leaseSeconds) }),
      ...(options.engine ? { PERCEPT_ENGINE: options.engine } : {}),
      ...options.environment,
    };
    const start = (service: string, more: Record<string, string>, args: readonly string[] = []): void => {
      let closing = false;
      let child: WorkerProcess;
      const run = (): void => {
        child = childProcess(service, [mainOf(service), ...args], { ...environment, ...more }, (error) => {
          if (options.restart && !closing) run();
          else fail(error);
        });
        if (child.pid !== undefined) servicePids.set(service, child.pid);
      };
      run();
      owned.push({
        close: async () => {
          closing = true;
          await child.close();
        },
      });
    };
    for (const [service, at] of Object.entries({ ...endpoints, inference }))
      start(service, { PERCEPT_PORT: at.split(':').at(-1) as string });
    const startWorker = (group: WorkerGroup): WorkerProcess => {
      const worker = childProcess(
        `${group} worker`,
        [mainOf(workerServices[group]), '--worker', group],
        { ...environment, PERCEPT_PORT: '0' },
        () => undefined,
      );
      owned.push(worker);
      return worker;
    };
    const startWorkers = (group: WorkerGroup, count: number): void => {
      for (let i = 0; i < count; i++) startWorker(group);
    };
    startWorkers('attack', options.attackWorkers);
    startWorkers('evaluate', options.evaluationWorkers ?? 0);
    startWorkers('train', options.trainingWorkers ?? 0);
    if (options.dashboard) {
      start('dashboard', { PERCEPT_DASHBOARD_HOST: host, PERCEPT_DASHBOARD_PORT: String(options.dashboard.port) });
    }
    await Promise.race([
      failed,
      Promise.all([...Object.values(endpoints), inference].map((at) => waitUntilServing(at, client))),
    ]);
    const running = {
      endpoints,
      inference,
      ...(options.dashboard
        ? { dashboard: `${server.tls ? 'https' : 'http'}://${reachableHost(host)}:${options.dashboard.port}/` }
        : {}),
    };
    await writeEndpoints(dataFolder, running);
    owned.push({ close: () => removeEndpoints(dataFolder) });
    return { ...running, failed, nats, s3, servicePids, startWorker, close: () => closeAll(owned, log) };
  } catch (error) {
    await closeAll(owned, log);
    throw error;
  }
}

function childProcess(
  name: string,
  args: readonly string[],
  environment: Record<string, string>,
  fail: (error: Error) => void,
): WorkerProcess {
  const child = spawn(process.execPath, [...args], {
    env: { ...process.env, ...environment },
    // Over the channel it notices when this process is gone.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // Out of reach of the terminal's Ctrl-C: this process ends its children itself, in order, and once.
    detached: true,
  });
  let closing = false;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      if (!closing) fail(new Error(`the ${name} service ended by itself (${signal ?? `exit code ${code}`})`));
      resolve();
    });
  });
  return {
    pid: child.pid,
    ended,
    close: async () => {
      closing = true;
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), endMs);
      await ended;
      clearTimeout(timer);
    },
  };
}

/** Any answer at all, even an error of the call itself, shows that the server is up. */
async function waitUntilServing(address: string, security: ClientSecurity): Promise<void> {
  const connection = connect(address, security);
  try {
    for (const deadline = Date.now() + 60_000; ; ) {
      try {
        await connection.calls(DatasetService).list({}, { timeoutMs: 2_000 });
        return;
      } catch (error) {
        const { code } = error as { code?: string };
        if (code !== 'UNAVAILABLE' && code !== 'DEADLINE_EXCEEDED') return;
        if (Date.now() > deadline) throw new Error(`nothing serves at ${address}`, { cause: error });
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
    }
  } finally {
    connection.close();
  }
}
