import { describe, expect, test } from 'vitest';
import { expectSoundJobs } from '../full/support/expect-sound-jobs.js';
import { faultRun } from '../full/support/fault-run.js';

describe('jobs under 200 faults', () => {
  test('all end, with the right bytes or with the true reason', async () => {
    const { faults, jobs } = await faultRun({ faults: 200, jobs: 40, seed: 20_262 });
    console.info(JSON.stringify({ faults, jobs: jobs.map(({ kind, state, message }) => ({ kind, state, message })) }));
    expect(jobs).toHaveLength(40);
    expectSoundJobs(jobs);
  });
});
