import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BenchReport } from '../bench-report.js';
import { interleave } from '../interleave.js';
import type { BenchOptions } from '../options.js';
import { startOurs, stepBenchmarks } from './steps.js';

/** One convolution of the network in one direction, as conv_bench prints it. */
interface TimedLayer {
  readonly direction: 'forward' | 'backward_input' | 'backward_filter';
  readonly side: number;
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  /** Of such layers in the network. */
  readonly count: number;
  readonly plan: string;
  readonly gflop: number;
  /** The best round of each way to compute it; a way that does not exist is absent. */
  readonly milliseconds: Readonly<Record<string, number>>;
}

const script = fileURLToPath(new URL('../../../../libs/engine-native/scripts/bench-native.mjs', import.meta.url));

const isOwn = (way: string): boolean => way.startsWith('own');

function best(layer: TimedLayer, counts: (way: string) => boolean): number {
  return Math.min(
    ...Object.entries(layer.milliseconds).map(([way, ms]) => (counts(way) ? ms : Number.POSITIVE_INFINITY)),
  );
}

function row(layer: TimedLayer): string {
  const rate = (ms: number): string => (Number.isFinite(ms) ? (layer.gflop / (ms / 1000)).toFixed(0) : '-').padStart(7);
  const { direction, side, kernel, stride, count, plan } = layer;
  const shape = `${side}x${side} ${layer.in}>${layer.out}`.padEnd(15);
  const own = best(layer, isOwn);
  const peer = best(layer, (way) => !isOwn(way));
  return `${direction.padEnd(16)} ${shape} ${kernel}x${kernel}/${stride} x${count} ${plan.padEnd(19)} ${own.toFixed(2).padStart(7)} ms ${rate(own)} ${rate(peer)}`;
}

/**
 * Every convolution of PreActResNet18 by itself, ours beside oneDNN's, and the engine's steps over the sum of the fastest ones: how much of a
 * step is spent outside convolutions, or in slower ones than there are. Best rounds throughout, since a sum of medians of a shared machine
 * means little.
 */
export async function layers(options: BenchOptions): Promise<BenchReport> {
  const { width, batch, threads, rounds } = options;
  const { stdout } = await promisify(execFile)(process.execPath, [
    script,
    ...[width, batch, threads, rounds].map(String),
  ]);
  const timed = stdout
    .trim()
    .split('\n')
    .map((line): TimedLayer => JSON.parse(line));
  const sum = (directions: readonly string[]): number =>
    timed
      .filter(({ direction }) => directions.includes(direction))
      .reduce((total, layer) => total + layer.count * best(layer, () => true), 0);
  const lines = [`${''.padEnd(64)}   GFLOP/s: ours, oneDNN's best`, ...timed.map(row)];
  const values: Record<string, number> = {};
  for (const [name, directions] of [
    ['pgd-step', ['forward', 'backward_input']],
    ['train-step', ['forward', 'backward_input', 'backward_filter']],
  ] as const) {
    const ours = await startOurs(stepBenchmarks[name] as (typeof stepBenchmarks)[string], options);
    try {
      const [timing] = await interleave([ours], rounds);
      const step = (timing?.secondsPerStep.min ?? Number.NaN) * 1000;
      const primitives = sum(directions);
      lines.push(
        `${name}: ${step.toFixed(1)} ms, ${(step / primitives).toFixed(2)} x the ${primitives.toFixed(1)} ms of the fastest convolutions`,
      );
      values[`${name} milliseconds`] = step;
      values[`${name} primitives milliseconds`] = primitives;
      values[`${name} over primitives`] = step / primitives;
    } finally {
      await ours.close();
    }
  }
  return { lines, values };
}
