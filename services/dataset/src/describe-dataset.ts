import type { DatasetDescription } from '@percept/contracts';
import type { LoadedDataset } from '@percept/datasets';
import type { CatalogueEntry } from './catalogue.js';

/** A data set as the contract describes it; without `loaded` its splits are left out. */
export function describeDataset(
  { declaration, source }: CatalogueEntry,
  loaded: LoadedDataset | undefined,
): DatasetDescription {
  return {
    name: declaration.name,
    description: declaration.description,
    classNames: [...declaration.classNames],
    height: declaration.height,
    width: declaration.width,
    channels: declaration.channels,
    splits: (loaded?.splits ?? []).map((split) => ({
      name: split.name,
      samples: split.count,
      digest: split.digest,
      classCounts: split.classCounts(declaration.classNames.length),
    })),
    defaults: {
      norm: declaration.norm,
      epsilon: declaration.epsilon,
      grid: [...declaration.grid],
      augmentation: { ...declaration.augmentation },
      mean: [...declaration.mean],
      std: [...declaration.std],
    },
    source,
    available: loaded !== undefined,
  };
}
