import { isSha256Hex, type JobEvent, Precision, type TrainingResult } from '@percept/contracts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  finished,
  type Ground,
  ground,
  type StartedTraining,
  smallSpec,
  startedTraining,
  stateOf,
} from './started-training.js';
import { syntheticDataset } from './synthetic-dataset.js';

let here: Ground;
beforeEach(async () => {
  here = await ground();
});
afterEach(async () => {
  await here.close();
});

async function trained(started: StartedTraining, spec = smallSpec()): Promise<TrainingResult> {
  const { job: submitted } = await started.training.submit({ requestId: '', spec });
  return await resultOf(started, submitted?.id ?? '');
}

async function resultOf(started: StartedTraining, jobId: string): Promise<TrainingResult> {
  const { job } = await finished(started, jobId);
  expect(stateOf(job)).toBe('SUCCEEDED');
  const result = job.result?.result;
  if (result?.$case !== 'model') throw new Error('the job has no model as its result');
  return result.value;
}

function metricNames(events: readonly JobEvent[]): string[] {
  const all = events.flatMap(({ event }) => (event?.$case === 'metrics' ? event.value.metrics : []));
  return [...new Set(all.map(({ name }) => name))].sort();
}

describe('a training job', () => {
  test('trains, measures, registers and reports', async () => {
    const started = await startedTraining(here, syntheticDataset());
    try {
      const { job: submitted } = await started.training.submit({ requestId: 'a', spec: smallSpec({ testLimit: 10 }) });
      const { job, events } = await finished(started, submitted?.id ?? '');
      expect(started.errors).toEqual([]);
      expect(stateOf(job)).toBe('SUCCEEDED');
      expect(job.progress).toMatchObject({ done: 6, total: 6, unit: 'steps' });
      expect(job.progress?.message).toMatch(/^epoch 2 of 2, loss \d+\.\d{3}$/);
      expect(job.environment).toMatchObject({ engine: 'cpu', path: 'javascript', threads: '1' });
      expect(metricNames(events)).toEqual([
        'images_per_second',
        'learning_rate',
        'loss',
        'test_accuracy',
        'train_loss',
      ]);
      const result = job.result?.result;
      if (result?.$case !== 'model') throw new Error('the job has no model as its result');
      const { model } = await started.models.get({ model: 'standard' });
      expect(result.value).toMatchObject({ modelId: model?.id, modelName: 'standard', modelVersion: 1, teacherId: '' });
      expect(isSha256Hex(result.value.digest)).toBe(true);
      expect(model).toMatchObject({
        digest: result.value.digest,
        metrics: result.value.metrics,
        classNames: ['left', 'right'],
        training: {
          jobId: job.id,
          recipe: 'standard',
          preset: 'quickstart',
          dataset: 'blobs',
          datasetDigest: 'train'.padEnd(64, '0'),
          trainSamples: 20,
          epochs: 2,
          batchSize: 8,
          seed: 3,
          precision: Precision.FLOAT32,
        },
      });
      const accuracy = result.value.metrics['test_accuracy'] as number;
      expect(accuracy * 10).toBeCloseTo(Math.round(accuracy * 10), 9);
      expect(job.result?.artifacts[0]).toMatchObject({ sha256: model?.digest, sizeBytes: model?.sizeBytes });
    } finally {
      await started.close();
    }
  });

  test('trains in bfloat16 where asked to, and says so of the model', async () => {
    const started = await startedTraining(here, syntheticDataset());
    try {
      const inFloat32 = await trained(started);
      const coarse = await trained(started, smallSpec({ precision: Precision.BFLOAT16, registerAs: 'coarse' }));
      expect(coarse.digest).not.toBe(inFloat32.digest);
      const { model } = await started.models.get({ model: 'coarse' });
      expect(model?.training?.precision).toBe(Precision.BFLOAT16);
    } finally {
      await started.close();
    }
  });

  test('gives equal weights for equal specifications and others for another seed', async () => {
    const started = await startedTraining(here, syntheticDataset());
    try {
      const first = await trained(started);
      const second = await trained(started);
      const other = await trained(started, smallSpec({ seed: 4 }));
      expect(second.digest).toBe(first.digest);
      expect(second.modelVersion).toBe(2);
      expect(other.digest).not.toBe(first.digest);
    } finally {
      await started.close();
    }
  });

  test('goes on after the end of its process and gives the weights of an unbroken training, to the bit', async () => {
    const spec = smallSpec({ recipe: 'distilled', epochs: 3, registerAs: 'student' });
    const unbroken = await ground();
    const started = await startedTraining(unbroken, syntheticDataset());
    const expected = await trained(started, spec);
    await started.close();
    await unbroken.close();

    const jobId = await brokenOff(spec, 2);
    const dataset = syntheticDataset();
    const second = await startedTraining(here, dataset);
    try {
      const result = await resultOf(second, jobId);
      expect(dataset.reads.filter(({ split }) => split === 'train').map(({ epoch }) => epoch)).toEqual([1, 2]);
      expect(result.digest).toBe(expected.digest);
      expect(result.metrics).toEqual(expected.metrics);
      const { model: teacher } = await second.models.get({ model: 'student-teacher' });
      expect(result.teacherId).toBe(teacher?.id);
    } finally {
      await second.close();
    }
  });

  /** Starts a job and ends its services while it waits for the second epoch of its n-th training. */
  async function brokenOff(spec: ReturnType<typeof smallSpec>, training: number): Promise<string> {
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    let trainingsBegun = 0;
    const dataset = syntheticDataset(async (batch, { split, epoch }) => {
      if (split !== 'train' || batch !== 0) return;
      if (epoch === 0) trainingsBegun++;
      if (epoch === 1 && trainingsBegun === training) {
        arrive();
        await released;
      }
    });
    const started = await startedTraining(here, dataset);
    const { job } = await started.training.submit({ requestId: '', spec });
    await arrived;
    const closed = started.close();
    release();
    await closed;
    return job?.id ?? '';
  }

  test('stops when it is cancelled and registers nothing', async () => {
    let arrive: () => void = () => undefined;
    const arrived = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const started = await startedTraining(
      here,
      syntheticDataset((_, { epoch }) => {
        if (epoch === 1) arrive();
      }),
    );
    try {
      const { job: submitted } = await started.training.submit({ requestId: '', spec: smallSpec({ epochs: 10_000 }) });
      await arrived;
      await started.jobs.cancel({ requestId: '', jobId: submitted?.id ?? '' });
      const { job } = await finished(started, submitted?.id ?? '');
      expect(stateOf(job)).toBe('CANCELLED');
      await expect(started.models.list({ name: '', pageSize: 0, pageToken: '' })).resolves.toMatchObject({
        models: [],
      });
    } finally {
      await started.close();
    }
  });

  test('fails with what to do about it when the training diverges', async () => {
    const started = await startedTraining(here, syntheticDataset());
    try {
      const spec = smallSpec({ parameters: { learning_rate: 100, momentum: 0.999, weight_decay: 1 }, epochs: 40 });
      const { job: submitted } = await started.training.submit({ requestId: '', spec });
      const { job } = await finished(started, submitted?.id ?? '');
      expect(stateOf(job)).toMatch(/^FAILED OUT_OF_RANGE: the training diverged: .*smaller learning_rate/);
    } finally {
      await started.close();
    }
  });
});
