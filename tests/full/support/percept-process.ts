import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { readEndpoints } from '../../../tools/cli/src/hosting/endpoints-file.js';
import { type PerceptClient, perceptClient } from '../../../tools/cli/src/percept-client.js';

const command = fileURLToPath(new URL('../../../tools/cli/bin/percept.js', import.meta.url));

/** A variable that all processes of one command inherit, by which they are found. */
const mark = 'PERCEPT_TEST_MARK';

/** A `percept` command as a user runs it: a process in a process group of its own, as a terminal starts it. */
export class PerceptProcess {
  readonly dataFolder: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | NodeJS.Signals>;
  readonly #mark: string = randomUUID();
  #output = '';

  constructor(args: readonly string[], dataFolder: string) {
    this.dataFolder = dataFolder;
    this.#child = spawn(process.execPath, [command, ...args, '--data-folder', dataFolder], {
      env: { ...process.env, [mark]: this.#mark },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-20_000);
      });
    }
    this.#exited = once(this.#child, 'exit').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals);
  }

  /** What it wrote so far, both streams. */
  get output(): string {
    return this.#output;
  }

  /** Waits until its services answer and connects to them. @throws Error when it ends instead. */
  async client(): Promise<PerceptClient> {
    let ended = false;
    this.#exited.then(
      () => {
        ended = true;
      },
      () => undefined,
    );
    for (const deadline = Date.now() + 60_000; Date.now() < deadline && !ended; await pause(50)) {
      // What a killed process left behind names the services of yesterday.
      if (!/^(services at|Ctrl-C ends them)/m.test(this.#output)) continue;
      const running = await readEndpoints(this.dataFolder);
      if (running !== undefined) return perceptClient(running.endpoints);
    }
    throw new Error(`the services did not come up: ${this.#output}`);
  }

  /** Presses Ctrl-C: the terminal sends SIGINT to the whole process group. Answers with the exit code. */
  async interrupt(): Promise<number | NodeJS.Signals> {
    process.kill(-(this.#child.pid as number), 'SIGINT');
    return await this.#exited;
  }

  /** Ends it without warning. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    process.kill(-(this.#child.pid as number), 'SIGKILL');
    await this.#exited;
  }

  /** The command lines of its processes that are alive, itself included. */
  survivors(): string[] {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name) && existsSync(`/proc/${name}/environ`))
      .flatMap((pid) => {
        try {
          const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
          if (!environment.includes(`${mark}=${this.#mark}`)) return [];
          return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
        } catch (error) {
          // Processes end while they are looked at, and those of other users are none of ours.
          if (['ENOENT', 'ESRCH', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
          throw error;
        }
      });
  }
}
