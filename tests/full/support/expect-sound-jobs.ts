import { expect } from 'vitest';
import type { FaultedJob } from './fault-run.js';

/** Every job succeeded with the right bytes, or failed and says why in terms of what was done to it. */
export function expectSoundJobs(jobs: readonly FaultedJob[]): void {
  for (const job of jobs) {
    if (job.state === 'SUCCEEDED') {
      // What was corrupted after the job had ended cannot be right; it must not be given out either.
      if (job.corruptArtifacts.length > 0) expect(job).toMatchObject({ kind: 'attack', refusal: 'DATA_LOSS' });
      else expect({ id: job.id, made: job.made }).toEqual({ id: job.id, made: job.expected });
    } else {
      expect(job).toMatchObject({ state: 'FAILED' });
      expect(job.message).toMatch(
        /checkpoint .*is corrupt|gave up after \d+ interruptions|took down its worker|no room left|store is full/,
      );
    }
  }
}
