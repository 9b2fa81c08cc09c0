import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { finished, type Ground, ground, smallSpec, startedTraining, stateOf } from './started-training.js';
import { syntheticDataset } from './synthetic-dataset.js';

let here: Ground;
beforeEach(async () => {
  here = await ground();
});
afterEach(async () => {
  await here.close();
});

describe('a training job', () => {
  test('trains, measures, registers and reports', async () => {
    const started = await startedTraining(here, syntheticDataset());
    try {
      const { job: submitted } = await started.training.submit({ requestId: 'a', spec: smallSpec() });
      const { job, events } = await finished(started, submitted?.id ?? '');
      expect(started.errors.map((error) => (error as Error).stack)).toEqual([]);
      expect(stateOf(job)).toBe('JOB_STATE_SUCCEEDED');
      const result = job.result?.result;
      if (result?.$case !== 'model') throw new Error('no model');
      expect(result.value).toMatchObject({ modelName: 'standard', modelVersion: 1 });
      expect(Object.keys(result.value.metrics).sort()).toEqual(['test_accuracy', 'train_loss']);
      expect(job.progress).toMatchObject({ done: 6, total: 6, unit: 'steps' });
      expect(job.progress?.message).toMatch(/^epoch 2 of 2, loss \d/);
      console.log(events.map((e) => JSON.stringify(e.event)).join('\n'));
    } finally {
      await started.close();
    }
  });
});
