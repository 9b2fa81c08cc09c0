import { selectEngine } from '@percept/tensor';
import type { SteppingContender } from '../contender.js';
import type { BenchOptions } from '../options.js';
import { StepWork } from '../step-work.js';

/** The benchmarks that time one kind of step, by name. */
export const stepBenchmarks: Readonly<Record<string, (work: StepWork) => void>> = {
  'pgd-step': (work) => work.pgdStep(),
  'train-step': (work) => work.trainStep(),
  'pgd7-step': (work) => work.pgd7Step(),
  'grad-penalty-step': (work) => work.gradientPenaltyStep(),
};

/** Percept's side of a step benchmark. */
export async function startOurs(step: (work: StepWork) => void, options: BenchOptions): Promise<SteppingContender> {
  const { engine, threads } = options;
  const info = await selectEngine({ threads, ...(engine === undefined ? {} : { engine }) });
  if (info.warning) console.error(`warning: ${info.warning}`);
  const work = new StepWork(options);
  return {
    label: `percept ${info.name} ${info.path}, ${info.threads} threads`,
    run: async (steps) => {
      const started = performance.now();
      for (let i = 0; i < steps; i++) step(work);
      work.finish();
      return (performance.now() - started) / 1000;
    },
    peakBytes: () => process.resourceUsage().maxRSS * 1024,
    close: async () => work.dispose(),
  };
}
