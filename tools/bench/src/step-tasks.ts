import type { BenchOptions } from './options.js';
import { StepWork } from './step-work.js';

let work: StepWork | undefined;

/** Prepares a model and a batch in this worker; must come before `pgdSteps`. */
export function prepare(options: BenchOptions): void {
  work?.dispose();
  work = new StepWork(options);
  work.pgdStep();
  work.finish();
}

/** So many PGD steps, and nothing else. */
export function pgdSteps(steps: number): void {
  if (work === undefined) throw new Error('prepare the work first');
  for (let step = 0; step < steps; step++) work.pgdStep();
  work.finish();
}
