import { defaultOutbound, type MountedService, type OutboundAllowList } from '@percept/platform';
import { Catalogue } from './catalogue.js';
import { datasetService } from './dataset-service.js';
import { officialCifar10 } from './download-cifar10.js';
import type { ImportSources } from './import-dataset.js';

/** What the dataset service runs on. */
export interface StartDatasetOptions {
  /** Folder of data sets that do not come with Percept: where imports are kept, and whose entries may be imported by name. */
  readonly dataFolder: string;
  /** Where CIFAR-10's archive is fetched from; default: its authors' page. */
  readonly cifar10Archive?: ImportSources['cifar10Archive'];
  /** Where downloads may lead. Default: to its authors' page. */
  readonly outbound?: OutboundAllowList;
}

/** Builds the dataset service. */
export function startDataset({
  dataFolder,
  cifar10Archive = officialCifar10,
  outbound = defaultOutbound,
}: StartDatasetOptions): {
  readonly services: readonly MountedService[];
} {
  return { services: [datasetService(new Catalogue(dataFolder), { folder: dataFolder, cifar10Archive, outbound })] };
}
