import { type ChassisConfig, type ConfigTable, chassisConfig, runProcess, startService, text } from '@percept/platform';
import { startDataset } from './start.js';

interface DatasetConfig extends ChassisConfig {
  readonly dataFolder: string;
}

const config: ConfigTable<DatasetConfig> = {
  ...chassisConfig,
  dataFolder: text({
    env: 'PERCEPT_DATA_DIR',
    description: 'Folder that holds data sets which do not come with Percept, such as cifar-10-batches-bin.',
    default: '.percept/data',
  }),
};

await runProcess({
  name: 'dataset',
  title: 'Dataset service: splits, samples and seeded batches.',
  config,
  start: async ({ dataFolder, host, port, metricsPort, drainMs }, logger) =>
    await startService({
      name: 'dataset',
      host,
      port,
      ...(metricsPort === undefined ? {} : { metricsPort }),
      drainMs,
      logger,
      services: startDataset({ dataFolder }).services,
    }),
});
