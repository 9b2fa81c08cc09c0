import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { createClient, JobsService, PerceptRpcError } from '@percept/contracts';
import { describe, expect, it, onTestFinished } from 'vitest';

const fixture = path.join(path.dirname(fileURLToPath(import.meta.url)), 'fixtures/example-process.mjs');

interface Running {
  readonly child: ChildProcessWithoutNullStreams;
  nextLine(): Promise<string>;
  /** Exit code and everything on standard error. */
  readonly ended: Promise<{ code: number | null; log: string }>;
}

function run(args: readonly string[] = [], environment: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [fixture, ...args], { env: { ...process.env, ...environment } });
  onTestFinished(() => void child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let log = '';
  child.stderr.on('data', (bytes: Buffer) => {
    log += bytes.toString();
  });
  return {
    child,
    nextLine: async () => String((await lines.next()).value),
    ended: once(child, 'close').then(([code]) => ({ code: code as number | null, log })),
  };
}

describe('the process of a service', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'drains on %s: answers what is under way, ends streams, closes, exits 0',
    async (signal) => {
      const { child, nextLine, ended } = run();
      const client = createClient(JobsService, await nextLine());
      onTestFinished(() => client.close());
      const stream = client.watch({ jobId: 'j', afterSequence: 0, follow: true });
      await stream.next();
      const call = client.cancel({ jobId: 'j', requestId: 'r' });
      expect(await nextLine()).toBe('entered');
      child.kill(signal);
      expect(await call).toEqual({ job: undefined });
      await stream.next().then(
        ({ done }) => expect(done).toBe(true),
        (error: unknown) => expect(PerceptRpcError.from(error).code).toBe('UNAVAILABLE'),
      );
      expect(await nextLine()).toBe('resource closed');
      expect((await ended).code).toBe(0);
    },
  );

  it('ends with code 1 when the process that started it is gone', async () => {
    const child = spawn(process.execPath, [fixture], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    let log = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      log += bytes.toString();
    });
    const ended = once(child, 'exit');
    await once(child.stdout as Readable, 'data');
    // What the end of this process would do.
    child.disconnect();
    expect((await ended)[0]).toBe(1);
    await expect.poll(() => log).toContain('the process that started this one is gone');
  });

  it('drains on SIGTERM although the process that started it keeps a channel', async () => {
    const child = spawn(process.execPath, [fixture], { stdio: ['ignore', 'pipe', 'ignore', 'ipc'] });
    onTestFinished(() => void child.kill('SIGKILL'));
    const ended = once(child, 'close');
    await once(child.stdout as Readable, 'data');
    child.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
  });

  it('ends with code 2 and names every wrong variable', async () => {
    const { code, log } = await run([], { PERCEPT_PORT: '70000', PERCEPT_LOG_LEVEL: 'loud' }).ended;
    expect(code).toBe(2);
    expect(log).toContain('PERCEPT_PORT must be at most 65535, got 70000');
    expect(log).toContain('PERCEPT_LOG_LEVEL must be one of');
  });

  it('prints its configuration for --help and does nothing else', async () => {
    const { child, ended } = run(['--help']);
    let output = '';
    child.stdout.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    expect((await ended).code).toBe(0);
    expect(output).toContain('Example service');
    expect(output).toContain('PERCEPT_DRAIN_MS');
  });

  it('ends with code 1 and says why when its port is taken', async () => {
    const { nextLine } = run();
    const port = (await nextLine()).split(':')[1] ?? '';
    const { code, log } = await run([], { PERCEPT_PORT: port }).ended;
    expect(code).toBe(1);
    expect(log).toContain(`cannot listen on 127.0.0.1:${port}`);
  });

  it('does not go on after a rejection that nobody handles', async () => {
    const { nextLine, ended } = run();
    const client = createClient(JobsService, await nextLine());
    onTestFinished(() => client.close());
    await client.list({ kinds: [], states: [], pageSize: 0, pageToken: '' }).catch(() => undefined);
    const { code, log } = await ended;
    expect(code).toBe(1);
    expect(log).toContain('nobody waits for this');
  });
});
