import { Precision, TrainingSpec } from '@percept/contracts';
import { type Command, Option } from 'commander';
import { type FieldFlags, namingFlags, UsageError } from '../exit-code.js';
import { followJob } from '../follow-job.js';
import { parseCount, parseCounts, parseNumber, print, withClient, withClientOptions } from '../global-options.js';
import { ProgressDisplay } from '../progress-display.js';

const precisions = { float32: Precision.FLOAT32, bfloat16: Precision.BFLOAT16 } as const;

/** Which option sets a field of the request. */
const trainFlags: FieldFlags = {
  'spec.recipe': '--recipe',
  'spec.preset': '--preset',
  'spec.dataset': '--dataset',
  'spec.register_as': '--name',
  'spec.width': '--width',
  'spec.blocks': '--blocks',
  'spec.epochs': '--epochs',
  'spec.batch_size': '--batch-size',
  'spec.train_limit': '--limit',
  'spec.teacher': '--teacher',
  'spec.seed': '--seed',
  'spec.precision': '--precision',
  'spec.parameters': '--parameter',
  request_id: '--request-id',
};

/** `percept train`: submits a training and follows it. */
export function addTrain(program: Command): void {
  withClientOptions(program.command('train').description('train a classifier by one of the recipes'))
    .requiredOption('--recipe <name>', 'the recipe; `percept recipes` lists them')
    .option('--preset <name>', 'paper, as-published, quickstart or cifar10-lite', 'paper')
    .option('--dataset <name>', 'the data set', 'mnist-5k')
    .option('--name <name>', 'name to register the model under; default: the recipe')
    .option('--width <n>', 'channels of the first stage', parseCount)
    .option('--blocks <n,n,n,n>', 'residual blocks of the four stages', parseCounts)
    .option('--epochs <n>', 'passes over the training samples', parseCount)
    .option('--batch-size <n>', 'images per step', parseCount)
    .option('--limit <n>', 'use only the first so many training samples', parseCount)
    .option('--teacher <model>', 'teacher of a distillation')
    .option('--seed <n>', 'seed of everything random', parseCount, 0)
    .addOption(
      new Option('--precision <kind>', 'of the passes that train; weights and accuracies are float32 in either')
        .choices(Object.keys(precisions))
        .default('float32'),
    )
    .option('--parameter <name=value...>', "a parameter that differs from the preset's")
    .option('--request-id <id>', 'the same id gives the same job', '')
    .option('--detach', 'do not wait for the end', false)
    .action(async (options) => {
      const parameters = Object.fromEntries(((options.parameter as string[] | undefined) ?? []).map(parseParameter));
      const spec = TrainingSpec.fromPartial({
        recipe: options.recipe,
        preset: options.preset,
        dataset: options.dataset,
        registerAs: options.name ?? '',
        width: options.width,
        blocks: options.blocks ?? [],
        epochs: options.epochs,
        batchSize: options.batchSize,
        trainLimit: options.limit,
        seed: options.seed,
        precision: precisions[options.precision as keyof typeof precisions],
        parameters,
        ...(options.teacher ? { teacher: { reference: { $case: 'registered', value: options.teacher } } } : {}),
      });
      await withClient(options, async (client, signal) => {
        const submitted = client.training.submit({ requestId: options.requestId, spec });
        const { job } = await namingFlags(trainFlags, submitted);
        const id = job?.id ?? '';
        if (options.detach) {
          print(options, job, () => id);
          return;
        }
        const display = new ProgressDisplay();
        const ended = await followJob(client.jobs('training'), id, options.recipe, display, signal).finally(() =>
          display.finish(),
        );
        const result = ended.result?.result;
        print(options, ended, () =>
          result?.$case === 'model'
            ? `${result.value.modelName}@${result.value.modelVersion}  ${result.value.modelId}`
            : id,
        );
      });
    });
  withClientOptions(
    program.command('recipes').description('list the recipes with their presets and parameters'),
  ).action(async (options) => {
    await withClient(options, async ({ training }) => {
      const { recipes } = await training.listRecipes({});
      print(options, recipes, () =>
        recipes
          .map((recipe) =>
            [
              `${recipe.name}: ${recipe.description} (${recipe.reference})`,
              ...recipe.parameters.map(
                ({ name, description, minimum, maximum, unit }) =>
                  `    ${name.padEnd(22)} ${description}, ${minimum} to ${maximum}${unit ? ` ${unit}` : ''}`,
              ),
            ].join('\n'),
          )
          .join('\n'),
      );
    });
  });
}

function parseParameter(text: string): [string, number] {
  const [, name, value] = /^([a-z_0-9]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new UsageError(`"${text}" is no name=value`);
  return [name, parseNumber(value)];
}
