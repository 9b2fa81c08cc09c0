import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

/** A Python process that reads one JSON request per line and answers each with one JSON line. */
export class PythonProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #ended: Promise<void>;
  readonly #script: string;
  #errors = '';

  constructor(python: string, script: string, environment: Readonly<Record<string, string>> = {}) {
    this.#script = script;
    this.#child = spawn(python, [script], { env: { ...process.env, ...environment } });
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-2000);
    });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => resolve());
      this.#child.once('error', (error) => {
        this.#errors += error.message;
        resolve();
      });
    });
  }

  /** Sends one request and resolves with its answer. @throws Error with what Python wrote when it ends instead. */
  async ask<T>(request: unknown): Promise<T> {
    const answer = new Promise<string>((resolve) => {
      this.#lines.once('line', resolve);
    });
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const line = await Promise.race([answer, this.#ended]);
    if (line === undefined) throw new Error(`${this.#script} ended: ${this.#errors.trim()}`);
    return JSON.parse(line) as T;
  }

  async close(): Promise<void> {
    this.#child.stdin.end();
    await this.#ended;
  }
}
