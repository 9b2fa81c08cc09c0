import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { selectEngine } from '@percept/tensor';
import type { BenchReport } from '../bench-report.js';
import type { ClientsReport, LoadRole, ProbeReport } from '../load-clients.js';
import type { BenchOptions } from '../options.js';
import { percentile } from '../summary.js';
import { cancelJob, hostServices, registerModel, startTraining } from './hosted-services.js';

const clientCount = 200;
const probeIntervalMs = 20;
const sampleIntervalMs = 250;
const warmUpMs = 10_000;
const secondsPerRound = 10;

/**
 * 200 clients, each with a connection of its own, ask for small targeted attacks while an adversarial training runs. Server in this process, clients and
 * health probe in processes of their own. Tells codes, latencies, those of health, and how memory went after a warm-up.
 */
export async function load(options: BenchOptions): Promise<BenchReport> {
  await selectEngine({ threads: 1, ...(options.engine ? { engine: options.engine } : {}) });
  const services = await hostServices(options);
  const processes: LoadProcess<unknown>[] = [];
  try {
    await registerModel(services, 'load', options.width);
    const jobId = await startTraining(services, options);
    const { address } = services;
    const clients = new LoadProcess<ClientsReport>({ kind: 'clients', address, count: clientCount, model: 'load' });
    processes.push(clients);
    await pause(warmUpMs);
    const prober = new LoadProcess<ProbeReport>({ kind: 'probe', address, everyMs: probeIntervalMs });
    processes.push(prober);
    const memory: NodeJS.MemoryUsage[] = [];
    for (const end = performance.now() + options.rounds * secondsPerRound * 1_000; performance.now() < end; ) {
      memory.push(process.memoryUsage());
      await pause(sampleIntervalMs);
    }
    const health = await prober.stop();
    const { codes, milliseconds } = await clients.stop();
    await cancelJob(services, jobId);
    const quarter = Math.ceil(memory.length / 4);
    const [first, last] = [memoryOf(memory.slice(0, quarter)), memoryOf(memory.slice(-quarter))];
    const at = (values: readonly number[], share: number): string => percentile(values, share).toFixed(1);
    return {
      lines: [
        `${clientCount} clients for ${options.rounds * secondsPerRound} s after ${warmUpMs / 1_000} s of warm-up, width ${options.width}, a training running`,
        `answers: ${Object.entries(codes)
          .map(([code, count]) => `${count} ${code}`)
          .join(', ')}; answered calls median ${at(milliseconds, 0.5)} ms, p99 ${at(milliseconds, 0.99)} ms`,
        `health: ${health.length} probes, median ${at(health, 0.5)} ms, p99 ${at(health, 0.99)} ms, longest ${at(health, 1)} ms`,
        `memory in MiB, first quarter to last: RSS ${first.rss.toFixed(0)} to ${last.rss.toFixed(0)}; of the thread that serves, ` +
          `after collection: heap ${first.heap.toFixed(1)} to ${last.heap.toFixed(1)}, outside it ${first.external.toFixed(1)} to ${last.external.toFixed(1)}`,
      ],
      values: {
        clients: clientCount,
        ...Object.fromEntries(Object.entries(codes).map(([code, count]) => [`answers${code}`, count])),
        healthP99Ms: percentile(health, 0.99),
        healthMaxMs: percentile(health, 1),
        rssFirstQuarterMiB: first.rss,
        rssLastQuarterMiB: last.rss,
        heapFirstQuarterMiB: first.heap,
        heapLastQuarterMiB: last.heap,
        externalFirstQuarterMiB: first.external,
        externalLastQuarterMiB: last.external,
      },
    };
  } finally {
    await Promise.all(processes.map((one) => one.terminate()));
    await services.close();
  }
}

/** In MiB: the median of RSS; the least of the thread's heap and of what it holds outside, as a collection leaves them. */
function memoryOf(samples: readonly NodeJS.MemoryUsage[]): { rss: number; heap: number; external: number } {
  const mebibytes = (share: number, of: (usage: NodeJS.MemoryUsage) => number): number =>
    percentile(samples.map(of), share) / 2 ** 20;
  return {
    rss: mebibytes(0.5, ({ rss }) => rss),
    heap: mebibytes(0, ({ heapUsed }) => heapUsed),
    external: mebibytes(0, ({ external }) => external),
  };
}

/** A process that plays a role until it is stopped, and then reports. */
class LoadProcess<Report> {
  readonly #child: ChildProcess;
  readonly #report: Promise<Report>;
  readonly #ended: Promise<unknown>;

  constructor(role: LoadRole) {
    this.#child = fork(fileURLToPath(new URL('../load-clients.js', import.meta.url)), [JSON.stringify(role)]);
    this.#ended = once(this.#child, 'exit');
    this.#report = new Promise((resolve, reject) => {
      this.#child.once('message', (report) => resolve(report as Report));
      this.#child.once('exit', (code) => reject(new Error(`the process of the ${role.kind} ended with code ${code}`)));
    });
    // Seen by whoever stops the process.
    this.#report.catch(() => undefined);
  }

  async stop(): Promise<Report> {
    this.#child.send('stop');
    return await this.#report;
  }

  async terminate(): Promise<void> {
    this.#child.kill();
    await this.#ended;
  }
}
