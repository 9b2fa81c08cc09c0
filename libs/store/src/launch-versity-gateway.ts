import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { access, mkdir } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { VersityGatewayError } from './errors.js';

export interface VersityGatewayOptions {
  /** Each bucket is a folder in here; the file system must support extended attributes. */
  readonly directory: string;
  /** Default: a free one. */
  readonly port?: number;
  /** Default: `versitygw` in PERCEPT_PARTS_DIR, in ~/.cache/percept/parts or on the PATH. */
  readonly program?: string;
  /** What runs the program in its own place, as `['nice', '-n', '10']` does. Default: nothing. */
  readonly through?: readonly string[];
  /** Default: fresh random keys. */
  readonly accessKey?: string;
  readonly secretKey?: string;
}

export interface VersityGateway {
  /** Such as `http://127.0.0.1:41223`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly pid: number;
  /** Ends the server (SIGTERM, and SIGKILL after five seconds). */
  close(): Promise<void>;
}

const START_TIMEOUT_MS = 10_000;
const STOP_TIMEOUT_MS = 5_000;

/** The versitygw program of this machine, or undefined; `libs/store/scripts/install-versitygw.mjs` installs it. */
export async function findVersityGateway(): Promise<string | undefined> {
  const folders = [
    process.env['PERCEPT_PARTS_DIR'] ?? join(homedir(), '.cache', 'percept', 'parts'),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  for (const folder of folders) {
    const program = join(folder, 'versitygw');
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
 * Starts an S3 server over a folder on a loopback port and waits until it answers.
 *
 * @throws VersityGatewayError when the program is missing or ends at once.
 */
export async function launchVersityGateway(options: VersityGatewayOptions): Promise<VersityGateway> {
  const program = options.program ?? (await findVersityGateway());
  if (program === undefined) {
    throw new VersityGatewayError(
      'versitygw, the S3 server, was not found: `node libs/store/scripts/install-versitygw.mjs` builds it (needs Go)',
    );
  }
  await mkdir(options.directory, { recursive: true });
  const port = options.port ?? (await freePort());
  const accessKey = options.accessKey ?? 'percept';
  const secretKey = options.secretKey ?? randomBytes(24).toString('hex');
  const [command = program, ...before] = [...(options.through ?? []), program];
  const args = [...before, '--quiet', '--keep-alive', '--port', `127.0.0.1:${port}`, 'posix', options.directory];
  const child = spawn(command, args, {
    // Keys in the environment: the command line is readable by everyone on the machine.
    env: { ...process.env, ROOT_ACCESS_KEY: accessKey, ROOT_SECRET_KEY: secretKey },
    stdio: ['ignore', 'pipe', 'pipe'],
    // The terminal's Ctrl-C must not end it before those who use it.
    detached: true,
  });
  const gateway = new LaunchedGateway(child, port, accessKey, secretKey);
  try {
    await gateway.started();
    return gateway;
  } catch (error) {
    await gateway.close();
    throw error;
  }
}

class LaunchedGateway implements VersityGateway {
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #port: number;
  readonly #exited: Promise<void>;
  readonly #killWithParent = () => this.#child.kill('SIGKILL');
  #log = '';
  #ended = false;

  constructor(child: ChildProcess, port: number, accessKey: string, secretKey: string) {
    this.#child = child;
    this.#port = port;
    this.endpoint = `http://127.0.0.1:${port}`;
    this.accessKey = accessKey;
    this.secretKey = secretKey;
    this.pid = child.pid ?? -1;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#log = (this.#log + chunk.toString()).slice(-4_000);
      });
    }
    this.#exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', (error) => {
        this.#log += error.message;
        resolve();
      });
    }).then(() => {
      this.#ended = true;
    });
    process.once('exit', this.#killWithParent);
  }

  async started(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    while (!this.#ended && performance.now() < deadline) {
      if (await accepts(this.#port)) {
        return;
      }
      await sleep(20);
    }
    throw new VersityGatewayError(`versitygw did not start:\n${this.#log.trim()}`);
  }

  async close(): Promise<void> {
    process.removeListener('exit', this.#killWithParent);
    this.#child.kill('SIGTERM');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS);
    await this.#exited;
    clearTimeout(timer);
  }
}

async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
