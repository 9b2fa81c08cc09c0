import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { type ModelSpec, PreActResNet } from '@percept/models';
import { readSafetensors } from '@percept/tensor';

/** A trained model on disk, for both sides of a benchmark. */
export interface ExportedModel {
  readonly spec: ModelSpec;
  /** The safetensors file. */
  readonly weights: string;
}

/** A model of a data folder, which knows what it was trained on. */
export interface StoredModel extends ExportedModel {
  /** Name of the data set. */
  readonly dataset: string;
}

/** The newest version of the model named `name` in a data folder. @throws Error where there is none. */
export async function findModel(dataFolder: string, name: string): Promise<StoredModel> {
  const store = path.join(dataFolder, 'store');
  const names = path.join(store, 'model-names', `${name}.json`);
  const { versions } = JSON.parse(await readFile(names, 'utf8')) as { versions: { id: string }[] };
  const folder = path.join(store, 'models', versions.at(-1)?.id ?? '');
  const { spec, training } = JSON.parse(await readFile(path.join(folder, 'card.json'), 'utf8')) as Card;
  if (training === undefined) throw new Error(`${name} was imported: its card does not say which data set to attack`);
  return { spec, weights: path.join(folder, 'weights.safetensors'), dataset: training.dataset };
}

interface Card {
  readonly spec: ModelSpec;
  readonly training?: { readonly dataset: string };
}

/** Loads the model into this process's engine. */
export async function loadModel({ spec, weights }: ExportedModel): Promise<PreActResNet> {
  return PreActResNet.fromTensors(spec, readSafetensors(await readFile(weights)).tensors);
}
