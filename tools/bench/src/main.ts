import { writeFileSync } from 'node:fs';
import os from 'node:os';
import type { BenchReport } from './bench-report.js';
import { type AttackComparison, attackBenchmarks } from './benchmarks/attacks.js';
import { layers } from './benchmarks/layers.js';
import { memory, memoryOverTime } from './benchmarks/memory.js';
import { serviceBenchmarks } from './benchmarks/services.js';
import { startOurs, stepBenchmarks } from './benchmarks/steps.js';
import type { Contender } from './contender.js';
import { interleave, type Timing } from './interleave.js';
import { type BenchOptions, BenchUsageError, parseBenchOptions, usage } from './options.js';
import type { StepWork } from './step-work.js';
import { startTorchPeers } from './torch-peer.js';

interface Result {
  readonly name: string;
  readonly ours: Timing;
  readonly peers: readonly Timing[];
  /** The fastest peer's median over ours; absent without peers. */
  readonly ratio?: number;
}

/** The benchmarks that report by themselves, without a peer in turn. */
const reportBenchmarks: Readonly<Record<string, (options: BenchOptions) => Promise<BenchReport>>> = {
  ...serviceBenchmarks,
  layers,
  memory,
  'memory-over-time': memoryOverTime,
};

function line({ label, secondsPerStep: { median, min, max } }: Timing, batch: number): string {
  const ms = (seconds: number): string => (seconds * 1000).toFixed(1);
  const rate = (batch / median).toFixed(1);
  return `  ${label.padEnd(48)} ${ms(median).padStart(8)} ms [${ms(min)}, ${ms(max)}]  ${rate.padStart(7)} img/s`;
}

async function measure(name: string, step: (work: StepWork) => void, options: BenchOptions): Promise<Result> {
  const contenders: Contender[] = [];
  try {
    contenders.push(await startOurs(step, options));
    if (options.peer === 'torch') contenders.push(...(await startTorchPeers(name, options)));
    const [ours, ...peers] = (await interleave(contenders, options.rounds)) as [Timing, ...Timing[]];
    const fastest = Math.min(...peers.map(({ secondsPerStep }) => secondsPerStep.median));
    return { name, ours, peers, ...(peers.length > 0 ? { ratio: fastest / ours.secondsPerStep.median } : {}) };
  } finally {
    await Promise.all(contenders.map((contender) => contender.close()));
  }
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseBenchOptions(args);
  const known = [stepBenchmarks, attackBenchmarks, reportBenchmarks].flatMap(Object.keys);
  const unknown = options.names.filter((name) => !known.includes(name));
  if (options.names.length === 0 || unknown.length > 0) {
    const problem = unknown.length > 0 ? `unknown benchmark ${unknown.join(', ')}` : 'name at least one benchmark';
    throw new BenchUsageError(`${problem}; known are ${known.join(', ')}`);
  }
  const cpu = os.cpus()[0]?.model.trim() ?? 'unknown';
  const { width, batch, threads, rounds, precision } = options;
  console.log(`${cpu}, ${threads} threads, ${precision}`);
  if (options.names.some((name) => name in stepBenchmarks)) {
    console.log(`steps: PreActResNet18 of width ${width}, batch ${batch}, ${rounds} rounds`);
  }
  const results: (Result | AttackComparison | ({ readonly name: string } & BenchReport))[] = [];
  for (const name of options.names) {
    const attack = attackBenchmarks[name];
    if (attack !== undefined) {
      for (const model of options.models) results.push(await attack(model, options, console.log));
      continue;
    }
    const reportOf = reportBenchmarks[name];
    if (reportOf !== undefined) {
      const report = await reportOf(options);
      results.push({ name, ...report });
      console.log([`${name}:`, ...report.lines].join('\n  '));
      continue;
    }
    const result = await measure(name, stepBenchmarks[name] as (work: StepWork) => void, options);
    results.push(result);
    console.log(`${name}: median [min, max] per step`);
    for (const timing of [result.ours, ...result.peers]) console.log(line(timing, batch));
    if (result.ratio !== undefined) console.log(`  ${result.ratio.toFixed(2)} x the fastest setting of the peer`);
  }
  if (options.json !== undefined) {
    writeFileSync(options.json, `${JSON.stringify({ cpu, options, results }, null, 2)}\n`);
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error instanceof BenchUsageError ? `bench: ${error.message}\n${usage}` : error);
  process.exitCode = error instanceof BenchUsageError ? 2 : 1;
});
