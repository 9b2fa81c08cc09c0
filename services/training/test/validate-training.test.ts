import { PerceptRpcError, type TrainingSpec } from '@percept/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Ground, ground, type StartedTraining, smallSpec, startedTraining } from './started-training.js';
import { syntheticDataset } from './synthetic-dataset.js';

let here: Ground;
let started: StartedTraining;
beforeAll(async () => {
  here = await ground();
  started = await startedTraining(here, syntheticDataset());
});
afterAll(async () => {
  await started.close();
  await here.close();
});

async function refusal(spec: TrainingSpec | undefined): Promise<PerceptRpcError> {
  try {
    await started.training.submit({ requestId: 'r', spec });
  } catch (error) {
    if (error instanceof PerceptRpcError) return error;
    throw error;
  }
  throw new Error('the specification was accepted');
}

describe('Training.Submit', () => {
  test('names everything that is wrong at once', async () => {
    const error = await refusal(
      smallSpec({
        recipe: 'pgd',
        preset: 'fast',
        parameters: { epsilon: 2, attack_steps: 1.5, unheard: 1 },
        dataset: 'nowhere',
        width: 0,
        blocks: [1, 99],
        epochs: 0,
        batchSize: 5_000,
        trainLimit: 0,
        registerAs: 'Not A Name',
        teacher: { reference: { $case: 'registered', value: 'someone' } },
      }),
    );
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.violations.map(({ field }) => field).sort()).toEqual([
      'spec.batch_size',
      'spec.blocks',
      'spec.blocks[1]',
      'spec.dataset',
      'spec.epochs',
      'spec.parameters.attack_steps',
      'spec.parameters.epsilon',
      'spec.parameters.unheard',
      'spec.preset',
      'spec.register_as',
      'spec.teacher',
      'spec.train_limit',
      'spec.width',
    ]);
  });

  test.each<[string, Partial<TrainingSpec>, string, RegExp]>([
    ['an unknown recipe', { recipe: 'magic' }, 'spec.recipe', /one of standard, teacher/],
    ['NaN', { parameters: { momentum: Number.NaN } }, 'spec.parameters.momentum', /got NaN/],
    [
      'an unknown teacher',
      { recipe: 'distilled', teacher: { reference: { $case: 'registered', value: 'someone' } } },
      'spec.teacher',
      /there is no model someone/,
    ],
    [
      'a teacher elsewhere',
      {
        recipe: 'distilled',
        teacher: {
          reference: { $case: 'remote', value: { endpoint: 'a:1', name: '', version: '', input: '', output: '' } },
        },
      },
      'spec.teacher',
      /must be a registered model/,
    ],
    ['an unknown precision', { precision: 3 as never }, 'spec.precision', /unknown value 3/],
    ['a name like an id', { registerAs: 'abcdefabcdefabcd-abcdefab' }, 'spec.register_as', /form of a model id/],
    [
      'a name without room for its teacher',
      { recipe: 'distilled', registerAs: 'a'.repeat(60) },
      'spec.register_as',
      /room for -teacher/,
    ],
  ])('refuses %s', async (_, changes, field, description) => {
    const { violations } = await refusal(smallSpec(changes));
    expect(violations).toHaveLength(1);
    expect(violations[0]).toMatchObject({ field, description: expect.stringMatching(description) });
  });

  test('refuses a request without a specification', async () => {
    expect((await refusal(undefined)).violations).toEqual([{ field: 'spec', description: 'must be given' }]);
  });

  test('answers the same request with the same job, and says so when its content changed', async () => {
    const spec = smallSpec({ epochs: 1, testLimit: 0 });
    const { job: first } = await started.training.submit({ requestId: 'once', spec });
    const { job: second } = await started.training.submit({ requestId: 'once', spec });
    expect(second?.id).toBe(first?.id);
    await expect(started.training.submit({ requestId: 'once', spec: { ...spec, seed: 9 } })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  test('keeps the specification with every default filled in', async () => {
    const spec = smallSpec({ recipe: 'distilled', preset: '', blocks: [], parameters: { temperature: 7 } });
    const { job } = await started.training.submit({
      requestId: '',
      spec: { ...spec, width: undefined, epochs: undefined, batchSize: undefined },
    });
    await started.jobs.cancel({ requestId: '', jobId: job?.id ?? '' });
    expect(job?.spec?.spec?.value).toMatchObject({
      preset: 'paper',
      width: 64,
      blocks: [2, 2, 2, 2],
      epochs: 15,
      batchSize: 128,
      registerAs: 'distilled',
      parameters: { temperature: 7, teacher_temperature: 100, learning_rate: 0.2 },
    });
  });
});

describe('Training.ListRecipes', () => {
  test('describes nine recipes whose presets are complete and legal', async () => {
    const { recipes } = await started.training.listRecipes({});
    expect(recipes).toHaveLength(9);
    for (const { parameters, presets } of recipes) {
      const names = parameters.map(({ name }) => name).sort();
      for (const preset of presets) {
        expect(Object.keys(preset.parameters).sort()).toEqual(names);
        for (const { name, minimum = 0, maximum = 0 } of parameters) {
          expect(preset.parameters[name]).toBeGreaterThanOrEqual(minimum);
          expect(preset.parameters[name]).toBeLessThanOrEqual(maximum);
        }
      }
    }
  });
});
