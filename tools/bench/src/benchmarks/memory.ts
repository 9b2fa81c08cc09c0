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
