import { describe, expect, test } from 'vitest';
import { expectSoundJobs } from './support/expect-sound-jobs.js';
import { faultRun } from './support/fault-run.js';

describe('jobs under 20 faults', () => {
  test('all end, with the right bytes or with the true reason', async () => {
    const { faults, jobs } = await faultRun({ faults: 20, jobs: 6, seed: 20_261 });
    console.info(JSON.stringify({ faults, jobs: jobs.map(({ kind, state, message }) => ({ kind, state, message })) }));
    expect(jobs).toHaveLength(6);
    expectSoundJobs(jobs);
  });
});
