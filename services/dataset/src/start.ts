import type { MountedService } from '@percept/platform';
import { Catalogue } from './catalogue.js';
import { datasetService } from './dataset-service.js';

/** What the dataset service runs on. */
export interface StartDatasetOptions {
  /** Folder that holds data sets which do not come with Percept. */
  readonly dataFolder: string;
}

/** Builds the dataset service. */
export function startDataset({ dataFolder }: StartDatasetOptions): { readonly services: readonly MountedService[] } {
  return { services: [datasetService(new Catalogue(dataFolder))] };
}
