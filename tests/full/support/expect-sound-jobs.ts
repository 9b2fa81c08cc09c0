import { expect } from 'vitest';
import type { FaultedJob } from './fault-run.js';

/** Every job succeeded with the right bytes, or failed and says why in terms of what was done to it. */
export function expectSoundJobs(jobs: readonly FaultedJob[]): void {
  for (const job of jobs) {
    if (job.state === 'SUCCEEDED') {
      expect({ id: job.id, made: job.made }).toEqual({ id: job.id, made: job.expected });
      expect(job.corruptArtifacts).toEqual([]);
    } else {
      expect(job).toMatchObject({ state: 'FAILED' });
      expect(job.message).toMatch(/checkpoint .*is corrupt|gave up after \d+ interruptions|took down its worker/);
    }
  }
}
