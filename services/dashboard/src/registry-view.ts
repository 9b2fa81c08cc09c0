import { type DatasetDescription, type Model, ModelSpec, type Recipe, TrainingProvenance } from '@percept/contracts';
import type { DatasetView, ModelView, RecipeView } from './views.js';

/** Shows a registered model. */
export function modelView(model: Model): ModelView {
  const { spec, training } = model;
  const architecture =
    spec === undefined ? '' : `${spec.architecture}, width ${spec.width}, blocks ${spec.blocks.join('-')}`;
  return {
    id: model.id,
    name: model.name,
    version: String(model.version),
    digest: model.digest,
    aliases: model.aliases,
    metrics: model.metrics,
    settings: {
      ...(training === undefined ? {} : { training: TrainingProvenance.toJSON(training) }),
      ...(spec === undefined ? {} : { network: ModelSpec.toJSON(spec) }),
    },
    recipe: training?.recipe ?? '',
    dataset: training?.dataset ?? '',
    architecture,
    bytes: model.sizeBytes,
    cleanAccuracy: model.metrics['clean_accuracy'] ?? null,
    createdAt: model.createTime?.getTime() ?? null,
    jobId: training?.jobId ?? '',
  };
}

/** Shows a recipe. */
export function recipeView(recipe: Recipe): RecipeView {
  return {
    name: recipe.name,
    summary: recipe.description,
    reference: recipe.reference,
    presets: recipe.presets.map((preset) => preset.name),
  };
}

/** Shows a data set. */
export function datasetView(dataset: DatasetDescription): DatasetView {
  return {
    name: dataset.name,
    summary: dataset.description,
    classes: dataset.classNames,
    shape: `${dataset.height}×${dataset.width}×${dataset.channels}`,
    splits: Object.fromEntries(dataset.splits.map((split) => [split.name, split.samples])),
    available: dataset.available,
  };
}
