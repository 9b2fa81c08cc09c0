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

/** The newest version of the model named `name` in a data folder. @throws Error where there is none. */
export async function findModel(dataFolder: string, name: string): Promise<ExportedModel> {
  const store = path.join(dataFolder, 'store');
  const names = path.join(store, 'model-names', `${name}.json`);
  const { versions } = JSON.parse(await readFile(names, 'utf8')) as { versions: { id: string }[] };
  const folder = path.join(store, 'models', versions.at(-1)?.id ?? '');
  const card = JSON.parse(await readFile(path.join(folder, 'card.json'), 'utf8')) as { spec: ModelSpec };
  return { spec: card.spec, weights: path.join(folder, 'weights.safetensors') };
}

/** Loads the model into this process's engine. */
export async function loadModel({ spec, weights }: ExportedModel): Promise<PreActResNet> {
  return PreActResNet.fromTensors(spec, readSafetensors(await readFile(weights)).tensors);
}
