import { type HostTensor, selectEngine, uniformArray } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type BatchSource,
  DivergedError,
  findRecipe,
  type Recipe,
  recipes,
  Trainer,
  type TrainingConfig,
  validateParameters,
} from '../src/index.js';

const spec = {
  architecture: 'preact-resnet',
  width: 2,
  blocks: [1, 1, 1, 1],
  classes: 3,
  height: 8,
  widthPixels: 8,
  channels: 1,
  mean: [0.5],
  std: [0.25],
} as const;

const batches: BatchSource = {
  batchesPerEpoch: 3,
  batch: (epoch, index) => ({
    images: uniformArray({ seed: 9, purpose: 'test images', sample: epoch, step: index }, 4 * 64, 0, 1),
    labels: Int32Array.of(0, 1, 2, index),
    sampleIds: Int32Array.of(0, 1, 2, 3).map((id) => index * 4 + id),
  }),
};

const config = (recipe: Recipe): TrainingConfig => ({
  recipe,
  parameters: { ...recipe.presets.quickstart.parameters, learning_rate: 0.01 },
  spec,
  epochs: 2,
  seed: 1,
  batches,
  ...(recipe.needsTeacher ? { teacher: Trainer.begin(config(findRecipe('teacher') as Recipe)).model } : {}),
});

async function train(trainer: Trainer, steps = Number.POSITIVE_INFINITY): Promise<void> {
  for await (const { step } of trainer.run(() => undefined)) if (step >= steps) return;
}

const weightsOf = (trainer: Trainer): Record<string, HostTensor> => trainer.model.toTensors();

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe.each(recipes.map((recipe) => [recipe.name, recipe] as const))('the recipe %s', (_, recipe) => {
  it('resumes to the bit from a checkpoint in the middle', async () => {
    const unbroken = Trainer.begin(config(recipe));
    await train(unbroken);
    const interrupted = Trainer.begin(config(recipe));
    await train(interrupted, 4);
    const resumed = Trainer.resume(config(recipe), interrupted.checkpoint());
    await train(resumed);
    expect(resumed.finished).toBe(true);
    expect(weightsOf(resumed)).toEqual(weightsOf(unbroken));
  });

  it('leaves no tensor behind, step after step', async () => {
    const trainer = Trainer.begin(config(recipe));
    await train(trainer, 2);
    const before = tf.memory().numTensors;
    await train(trainer, 3);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('has presets that its own schema accepts, each naming every parameter', () => {
    for (const preset of Object.values(recipe.presets)) {
      expect(validateParameters(recipe.parameters, preset.parameters)).toEqual([]);
      expect(Object.keys(preset.parameters).sort()).toEqual(recipe.parameters.map(({ name }) => name).sort());
    }
  });
});

describe('Trainer', () => {
  it('stops between the steps of an inner attack when it is cancelled', async () => {
    const trainer = Trainer.begin(config(findRecipe('pgd') as Recipe));
    let calls = 0;
    const stop = (): void => {
      calls++;
      if (calls === 3) throw new Error('cancelled');
    };
    await expect(async () => {
      for await (const _ of trainer.run(stop)) expect.unreachable();
    }).rejects.toThrow('cancelled');
  });

  it('says that it diverged instead of going on with numbers that are none', async () => {
    const recipe = findRecipe('standard') as Recipe;
    const broken = Trainer.begin({
      ...config(recipe),
      batches: {
        ...batches,
        batch: () => ({
          images: new Float32Array(64).fill(Number.NaN),
          labels: Int32Array.of(0),
          sampleIds: Int32Array.of(0),
        }),
      },
    });
    await expect(train(broken)).rejects.toThrow(DivergedError);
  });
});
