import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:fs';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { NatsServerError } from './errors.js';

export interface NatsServerOptions {
  /** Where JetStream keeps its files. Default: a temporary folder, removed by `close`. */
  readonly directory?: string;
  /** Default: a free one. */
  readonly port?: number;
  /** The program. Default: `nats-server` on the PATH or in Debian's place, `/usr/sbin`. */
  readonly program?: string;
  /** What runs the program in its own place, as `['nice', '-n', '10']` does. Default: nothing. */
  readonly through?: readonly string[];
}

export interface NatsServer {
  /** The client address, such as `nats://127.0.0.1:41223`. */
  readonly url: string;
  /** The monitoring address, such as `http://127.0.0.1:8222`. */
  readonly monitoringUrl: string;
  readonly pid: number;
  /** Ends the server (SIGTERM, and SIGKILL after five seconds). */
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;

/** The nats-server program of this machine, or undefined. */
export async function findNatsServer(): Promise<string | undefined> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  for (const folder of folders) {
    const program = join(folder, 'nats-server');
    const found = await access(program, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) {
      return program;
    }
  }
  return undefined;
}

/**
 * Starts a nats-server with JetStream on a loopback port and waits until it answers.
 *
 * @throws NatsServerError when the program is missing or ends at once.
 */
export async function launchNatsServer(options: NatsServerOptions = {}): Promise<NatsServer> {
  const program = options.program ?? (await findNatsServer());
  if (program === undefined) {
    throw new NatsServerError('nats-server was not found: on Debian and Ubuntu, `apt install nats-server` brings it');
  }
  const scratch = await mkdtemp(join(tmpdir(), 'percept-nats-'));
  const [command = program, ...before] = [...(options.through ?? []), program];
  const child = spawn(
    command,
    [
      ...before,
      ...['--addr', '127.0.0.1', '--port', String(options.port ?? -1), '--http_port', '-1'],
      ...['--jetstream', '--store_dir', options.directory ?? join(scratch, 'jetstream')],
      ...['--ports_file_dir', scratch],
    ],
    // Detached: the terminal's Ctrl-C must not end it before those who use it.
    { stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  const server = new LaunchedNatsServer(child, scratch);
  try {
    return await server.started();
  } catch (error) {
    await server.close();
    throw error;
  }
}

class LaunchedNatsServer implements NatsServer {
  url = '';
  monitoringUrl = '';
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #scratch: string;
  readonly #exited: Promise<void>;
  readonly #killWithParent = () => this.#child.kill('SIGKILL');
  #log = '';

  constructor(child: ChildProcess, scratch: string) {
    this.#child = child;
    this.#scratch = scratch;
    this.pid = child.pid ?? -1;
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString()).slice(-4_000);
    });
    this.#exited = new Promise((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        this.#log += error.message;
        resolve();
      });
    });
    process.once('exit', this.#killWithParent);
  }

  async started(): Promise<this> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    const portsFile = join(this.#scratch, `nats-server_${this.pid}.ports`);
    let ended = false;
    void this.#exited.then(() => {
      ended = true;
    });
    while (!ended && performance.now() < deadline) {
      const ports = await readPorts(portsFile);
      if (ports !== undefined) {
        this.url = ports.url;
        this.monitoringUrl = ports.monitoringUrl;
        return this;
      }
      await sleep(20);
    }
    throw new NatsServerError(`nats-server did not start:\n${this.#log.trim()}`);
  }

  async close(): Promise<void> {
    process.removeListener('exit', this.#killWithParent);
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
    await rm(this.#scratch, { recursive: true, force: true });
  }
}

async function readPorts(file: string): Promise<{ url: string; monitoringUrl: string } | undefined> {
  try {
    const ports = JSON.parse(await readFile(file, 'utf8')) as { nats?: string[]; monitoring?: string[] };
    const [url] = ports.nats ?? [];
    return url === undefined ? undefined : { url, monitoringUrl: ports.monitoring?.[0] ?? '' };
  } catch {
    // Not written yet, or half written: the caller looks again.
    return undefined;
  }
}
