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
  precision: 'float32',
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

describe('training in bfloat16', () => {
  const trained = async (
    name: string,
    precision: 'float32' | 'bfloat16',
  ): Promise<{ trainer: Trainer; losses: number[] }> => {
    const trainer = Trainer.begin({ ...config(findRecipe(name) as Recipe), epochs: 8, precision });
    const losses: number[] = [];
    for await (const { loss } of trainer.run(() => undefined)) losses.push(loss);
    return { trainer, losses };
  };
  const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

  it.each(['standard', 'pgd', 'gradient-penalty'])(
    '%s lowers the loss and stays near float32 without equalling it',
    async (name) => {
      const [fine, coarse] = [await trained(name, 'float32'), await trained(name, 'bfloat16')];
      expect(coarse.losses).not.toEqual(fine.losses);
      expect(mean(coarse.losses.slice(-3))).toBeLessThan(mean(coarse.losses.slice(0, 3)));
      expect(Math.abs(mean(coarse.losses) - mean(fine.losses))).toBeLessThan(0.05 * mean(fine.losses));
    },
  );

  it('updates and hands out float32 weights, which keep more than bfloat16 could', async () => {
    const { trainer } = await trained('standard', 'bfloat16');
    const { data } = weightsOf(trainer)['layer1.0.conv1.weight'] as HostTensor;
    const bits = new Uint32Array(Float32Array.from(data).buffer);
    expect(bits.some((word) => (word & 0xffff) !== 0)).toBe(true);
    expect(trainer.model.precision).toBe('float32');
  });

  it('resumes to the bit from a checkpoint in the middle', async () => {
    const asked = { ...config(findRecipe('pgd') as Recipe), precision: 'bfloat16' } as const;
    const unbroken = Trainer.begin(asked);
    await train(unbroken);
    const interrupted = Trainer.begin(asked);
    await train(interrupted, 4);
    const resumed = Trainer.resume(asked, interrupted.checkpoint());
    await train(resumed);
    expect(weightsOf(resumed)).toEqual(weightsOf(unbroken));
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
