import type { BenchReport } from '../bench-report.js';
import type { SteppingContender } from '../contender.js';
import type { BenchOptions } from '../options.js';
import { startTorchPeers } from '../torch-peer.js';
import { startOurs, stepBenchmarks } from './steps.js';

const steps = 5;

/** The greatest resident set of a process that trains, ours beside each setting of the peer; ours includes Node and this benchmark. */
export async function memory(options: BenchOptions): Promise<BenchReport> {
  const contenders: SteppingContender[] = [];
  try {
    contenders.push(await startOurs(stepBenchmarks['train-step'] as (typeof stepBenchmarks)[string], options));
    if (options.peer === 'torch') contenders.push(...(await startTorchPeers('train-step', options)));
    for (const contender of contenders) await contender.run(steps);
    const peaks = contenders.map((contender) => contender.peakBytes() / 2 ** 20);
    const [ours, ...peers] = peaks as [number, ...number[]];
    const lines = contenders.map(
      ({ label }, i) => `${label.padEnd(48)} ${(peaks[i] as number).toFixed(0).padStart(6)} MiB`,
    );
    if (peers.length === 0) return { lines, values: { oursMebibytes: ours } };
    const leanest = Math.min(...peers);
    return {
      lines: [...lines, `${(ours / leanest).toFixed(2)} x the leanest setting of the peer`],
      values: { oursMebibytes: ours, peerMebibytes: leanest, ratio: ours / leanest },
    };
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
  }
}

const loopMinutes = 10;
const sampleSeconds = 10;

/** The resident set of a process that trains for ten minutes, by its slope after the first fifth. */
export async function memoryOverTime(options: BenchOptions): Promise<BenchReport> {
  const ours = await startOurs(stepBenchmarks['train-step'] as (typeof stepBenchmarks)[string], options);
  try {
    const samples: { readonly minutes: number; readonly mebibytes: number }[] = [];
    const started = performance.now();
    const minutes = (): number => (performance.now() - started) / 60_000;
    let steps = 0;
    for (let next = 0; minutes() < loopMinutes; steps++) {
      await ours.run(1);
      if (minutes() * 60 < next) continue;
      samples.push({ minutes: minutes(), mebibytes: process.memoryUsage.rss() / 2 ** 20 });
      next += sampleSeconds;
    }
    const settled = samples.filter((sample) => sample.minutes > loopMinutes / 5);
    const { slope, error } = slopeOf(settled);
    const of = (pick: (...values: number[]) => number): string =>
      pick(...settled.map((one) => one.mebibytes)).toFixed(1);
    return {
      lines: [
        `${steps} training steps in ${loopMinutes} minutes, RSS between ${of(Math.min)} and ${of(Math.max)} MiB after the first fifth`,
        `slope ${slope.toFixed(3)} MiB a minute, standard error ${error.toFixed(3)}`,
      ],
      values: { steps, slope, error },
    };
  } finally {
    await ours.close();
  }
}

/** Least squares: the slope of mebibytes over minutes and its standard error. */
function slopeOf(samples: readonly { readonly minutes: number; readonly mebibytes: number }[]): {
  readonly slope: number;
  readonly error: number;
} {
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
  const x = samples.map((sample) => sample.minutes);
  const y = samples.map((sample) => sample.mebibytes);
  const [meanX, meanY] = [mean(x), mean(y)];
  const spread = x.reduce((sum, value) => sum + (value - meanX) ** 2, 0);
  const slope = x.reduce((sum, value, i) => sum + (value - meanX) * ((y[i] as number) - meanY), 0) / spread;
  const residues = x.reduce((sum, value, i) => sum + ((y[i] as number) - meanY - slope * (value - meanX)) ** 2, 0);
  return { slope, error: Math.sqrt(residues / (samples.length - 2) / spread) };
}
