import { sha256Hex } from '@percept/contracts';
import { createLogger, type RunningService, startService } from '@percept/platform';
import { findRecipe } from '@percept/recipes';
import { selectEngine } from '@percept/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { train } from '../src/tasks.js';
import type { TaskCheckpoint, TrainingOutcome, TrainingTask, TrainingTaskEvent } from '../src/training-task.js';
import { syntheticDataset } from './synthetic-dataset.js';

let server: RunningService;
const dataset = syntheticDataset();
beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
  server = await startService({
    name: 'dataset',
    services: [dataset.service],
    logger: createLogger('test', { level: 'silent' }),
  });
});
afterAll(async () => {
  await server.close();
});

function task(recipe: string, parameters: Record<string, number>): TrainingTask {
  return {
    recipe,
    parameters: { ...findRecipe(recipe)?.presets.quickstart.parameters, ...parameters },
    spec: {
      architecture: 'preact-resnet',
      width: 1,
      blocks: [1, 1, 1, 1],
      classes: 2,
      height: 8,
      widthPixels: 8,
      channels: 1,
      mean: [0.5],
      std: [0.25],
    },
    epochs: 2,
    batchSize: 8,
    seed: 5,
    precision: 'float32',
    dataset: { address: server.address, name: 'blobs' },
    trainSamples: 20,
    testSamples: 12,
    checkpointMs: 0,
  };
}

class Stopped extends Error {}

/** Runs the task in this thread; stops it after so many of its steps. */
async function run(
  input: TrainingTask,
  stopAfter: number = Number.POSITIVE_INFINITY,
): Promise<{ events: TrainingTaskEvent[]; outcome?: TrainingOutcome; checkpoint?: TaskCheckpoint }> {
  const events: TrainingTaskEvent[] = [];
  const steps = (): number => events.filter(({ kind }) => kind === 'step').length;
  try {
    const { value: outcome } = await train(input, {
      signal: new AbortController().signal,
      engine: { name: 'cpu', version: '', path: '', threads: 1, cpu: '' },
      cancelled: false,
      throwIfCancelled: () => {
        if (steps() >= stopAfter) throw new Stopped();
      },
      progress: (event) => events.push(event as TrainingTaskEvent),
    });
    return { events, outcome };
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    const checkpoint = events.findLast((event) => event.kind === 'checkpoint')?.checkpoint;
    return checkpoint ? { events, checkpoint } : { events };
  }
}

describe.each([
  ['standard', {}],
  ['pgd', { attack_steps: 2 }],
  ['fgsm', { early_stopping: 1 }],
] as const)('training by %s', (recipe, parameters) => {
  test('gives the same bits wherever it is interrupted', async () => {
    const unbroken = await run(task(recipe, parameters));
    const expected = sha256Hex(unbroken.outcome?.safetensors ?? '');
    for (let stop = 1; stop < 6; stop++) {
      const { checkpoint } = await run(task(recipe, parameters), stop);
      if (checkpoint === undefined) throw new Error('no checkpoint');
      const { outcome, events } = await run({ ...task(recipe, parameters), checkpoint });
      // After the last step of an epoch it is stopped while it measures the epoch, whose checkpoint is yet to come.
      expect(events.find(({ kind }) => kind === 'step')).toMatchObject({ step: stop === 3 ? 3 : stop + 1 });
      expect(sha256Hex(outcome?.safetensors ?? '')).toBe(expected);
      expect(outcome?.metrics).toEqual(unbroken.outcome?.metrics);
    }
  });
});
