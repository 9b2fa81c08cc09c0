import {
  type CallOptions,
  type DatasetDescription,
  type Model,
  PerceptRpcError,
  Precision,
  type TrainingSpec,
} from '@percept/contracts';
import type { DatasetGateway } from '@percept/gateways';
import { precisionMessage, precisionsByNumber } from '@percept/messages';
import { type ModelSpec, validateModelSpec } from '@percept/models';
import { Violations } from '@percept/platform';
import { findRecipe, type PresetName, presetNames, type Recipe, recipes, validateParameters } from '@percept/recipes';
import { ModelNotFoundError } from './errors.js';
import { parseReference } from './model-reference.js';
import type { ModelRegistry } from './model-registry.js';
import { type TrainingPlan, teacherName } from './training-plan.js';
import { checkModelName } from './validate-name.js';

/** What validation asks other parts of the system. */
export interface TrainingSources {
  readonly datasets: DatasetGateway;
  readonly registry: ModelRegistry;
}

const defaultWidth = 64;
const defaultBlocks = [2, 2, 2, 2];

/**
 * Turns a specification into the plan of a training.
 *
 * @throws PerceptRpcError INVALID_ARGUMENT with everything that is wrong with it, FAILED_PRECONDITION for a data set that is not here yet.
 */
export async function validateTraining(
  message: TrainingSpec | undefined,
  { datasets, registry }: TrainingSources,
  options: CallOptions,
  violations: Violations = new Violations(),
): Promise<TrainingPlan> {
  if (message === undefined) {
    violations.add('spec', 'must be given');
    violations.throwIfAny();
  }
  const spec = message as TrainingSpec;
  const recipe = findRecipe(spec.recipe);
  const preset = presetNames.find((name) => name === (spec.preset === '' ? 'paper' : spec.preset));
  checkRecipe(violations, spec, recipe, preset);
  checkNumbers(violations, spec);
  const name = spec.registerAs === '' ? spec.recipe : spec.registerAs;
  if (spec.registerAs !== '' || recipe !== undefined) checkModelName(violations, name, 'spec.register_as');
  const dataset = await findDataset(violations, spec.dataset, datasets, options);
  const teacher = await findTeacher(violations, spec, recipe, registry);
  if (recipe?.needsTeacher && spec.teacher === undefined) {
    violations.check(
      teacherName(name).length <= 63,
      'spec.register_as',
      'must leave room for -teacher, the name of the teacher that is trained first',
    );
  }
  const network = dataset && networkOf(spec, dataset);
  if (network) checkNetwork(violations, network, teacher);
  violations.throwIfAny();
  const known = dataset as DatasetDescription;
  const found = recipe as Recipe;
  const settings = found.presets[preset as PresetName];
  const split = (wanted: string, limit: number | undefined): number =>
    Math.min(limit ?? Number.POSITIVE_INFINITY, splitSize(known, wanted));
  return {
    recipe: found,
    preset: preset as PresetName,
    parameters: { ...settings.parameters, ...spec.parameters },
    dataset: known,
    spec: network as ModelSpec,
    epochs: spec.epochs ?? settings.epochs,
    batchSize: spec.batchSize ?? settings.batchSize,
    seed: spec.seed,
    precision: precisionsByNumber[spec.precision] ?? 'float32',
    trainSamples: split('train', spec.trainLimit),
    testSamples: split('test', spec.testLimit),
    name,
    teacher,
  };
}

/** The specification with every default filled in and the teacher named by its id, as the job keeps it. */
export function completeSpec(plan: TrainingPlan): TrainingSpec {
  return {
    recipe: plan.recipe.name,
    preset: plan.preset,
    // In one order, so that equal requests give equal specifications.
    parameters: Object.fromEntries(Object.entries(plan.parameters).sort(([a], [b]) => (a < b ? -1 : 1))),
    dataset: plan.dataset.name,
    width: plan.spec.width,
    blocks: [...plan.spec.blocks],
    epochs: plan.epochs,
    batchSize: plan.batchSize,
    seed: plan.seed,
    trainLimit: plan.trainSamples,
    registerAs: plan.name,
    teacher: plan.teacher && { reference: { $case: 'registered', value: plan.teacher.id } },
    testLimit: plan.testSamples,
    precision: precisionMessage(plan.precision),
  };
}

function checkRecipe(
  violations: Violations,
  spec: TrainingSpec,
  recipe: Recipe | undefined,
  preset: PresetName | undefined,
): void {
  violations.check(
    recipe !== undefined,
    'spec.recipe',
    `unknown recipe "${spec.recipe}": one of ${recipes.map(({ name }) => name).join(', ')}`,
  );
  violations.check(
    preset !== undefined,
    'spec.preset',
    `unknown preset "${spec.preset}": one of ${presetNames.join(', ')}`,
  );
  if (recipe === undefined) return;
  for (const { field, description } of validateParameters(recipe.parameters, spec.parameters)) {
    violations.add(`spec.${field}`, description);
  }
}

function checkNumbers(violations: Violations, spec: TrainingSpec): void {
  if (spec.width !== undefined) violations.integer(spec.width, 'spec.width', 1, 512);
  if (spec.blocks.length > 0) {
    violations.check(spec.blocks.length === 4, 'spec.blocks', `needs four numbers, got ${spec.blocks.length}`);
  }
  for (const [stage, count] of spec.blocks.entries()) violations.integer(count, `spec.blocks[${stage}]`, 1, 32);
  if (spec.epochs !== undefined) violations.integer(spec.epochs, 'spec.epochs', 1, 10_000);
  if (spec.batchSize !== undefined) violations.integer(spec.batchSize, 'spec.batch_size', 1, 4_096);
  violations.check(
    spec.precision === Precision.UNSPECIFIED || precisionsByNumber[spec.precision] !== undefined,
    'spec.precision',
    `unknown value ${spec.precision}`,
  );
  if (spec.trainLimit !== undefined) violations.check(spec.trainLimit > 0, 'spec.train_limit', 'must be at least 1');
}

async function findDataset(
  violations: Violations,
  name: string,
  datasets: DatasetGateway,
  options: CallOptions,
): Promise<DatasetDescription | undefined> {
  if (!violations.resourceName(name, 'spec.dataset')) return undefined;
  try {
    const dataset = await datasets.describe(name, options);
    violations.check(dataset.available, 'spec.dataset', `the samples of ${name} are not here yet: import them first`);
    if (dataset.available) {
      violations.check(splitSize(dataset, 'train') > 0, 'spec.dataset', `${name} has no split train`);
    }
    return dataset;
  } catch (error) {
    if (!(error instanceof PerceptRpcError) || error.code !== 'NOT_FOUND') throw error;
    violations.add('spec.dataset', error.rawMessage);
    return undefined;
  }
}

async function findTeacher(
  violations: Violations,
  spec: TrainingSpec,
  recipe: Recipe | undefined,
  registry: ModelRegistry,
): Promise<Model | undefined> {
  if (spec.teacher === undefined) return undefined;
  if (recipe !== undefined && !recipe.needsTeacher) {
    violations.add('spec.teacher', `the recipe ${recipe.name} has no teacher`);
    return undefined;
  }
  const { reference } = spec.teacher;
  if (reference?.$case !== 'registered' || parseReference(reference.value) === undefined) {
    violations.add('spec.teacher', 'must be a registered model: NAME, NAME@ALIAS, NAME@VERSION or an id');
    return undefined;
  }
  try {
    return await registry.get(reference.value);
  } catch (error) {
    if (!(error instanceof ModelNotFoundError)) throw error;
    violations.add('spec.teacher', error.message);
    return undefined;
  }
}

function networkOf(spec: TrainingSpec, dataset: DatasetDescription): ModelSpec {
  return {
    architecture: 'preact-resnet',
    width: spec.width ?? defaultWidth,
    blocks: (spec.blocks.length === 0 ? defaultBlocks : [...spec.blocks]) as unknown as ModelSpec['blocks'],
    classes: dataset.classNames.length,
    height: dataset.height,
    widthPixels: dataset.width,
    channels: dataset.channels,
    mean: dataset.defaults?.mean ?? [],
    std: dataset.defaults?.std ?? [],
  };
}

function checkNetwork(violations: Violations, network: ModelSpec, teacher: Model | undefined): void {
  // Width and blocks were checked under their own names.
  const own = (field: string): boolean => field === 'width' || field.startsWith('blocks');
  for (const { field, description } of validateModelSpec(network).filter((violation) => !own(violation.field))) {
    violations.add('spec.dataset', `no network fits it: ${field}: ${description}`);
  }
  if (teacher === undefined) return;
  const shape = [network.classes, network.height, network.widthPixels, network.channels];
  const { classes, height, widthPixels, channels } = teacher.spec ?? {};
  violations.check(
    shape.join() === [classes, height, widthPixels, channels].join(),
    'spec.teacher',
    `${teacher.name} takes ${height} x ${widthPixels} x ${channels} images of ${classes} classes, the data set has ${shape.slice(1).join(' x ')} of ${shape[0]}`,
  );
}

function splitSize(dataset: DatasetDescription, split: string): number {
  return dataset.splits.find(({ name }) => name === split)?.samples ?? 0;
}
