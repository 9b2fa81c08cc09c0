import {
  type ChassisConfig,
  type ConfigTable,
  chassisConfig,
  loadSecurity,
  type OutboundConfig,
  outboundConfig,
  runProcess,
  startService,
  text,
} from '@percept/platform';
import { startDataset } from './start.js';

interface DatasetConfig extends ChassisConfig, OutboundConfig {
  readonly dataFolder: string;
}

const config: ConfigTable<DatasetConfig> = {
  ...chassisConfig,
  ...outboundConfig,
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
  start: async (settings, logger) => {
    const { dataFolder, outbound, host, port, metricsPort, drainMs } = settings;
    const { server } = await loadSecurity(settings);
    return await startService({
      name: 'dataset',
      host,
      port,
      metricsPort,
      drainMs,
      logger,
      security: server,
      services: startDataset({ dataFolder, outbound }).services,
    });
  },
});
