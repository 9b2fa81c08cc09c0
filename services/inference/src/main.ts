import { type JobServiceConfig, jobServiceConfig } from '@percept/hosting';
import {
  type ChassisConfig,
  type ConfigTable,
  chassisConfig,
  closeAll,
  loadServiceSecurity,
  runProcess,
  startService,
} from '@percept/platform';
import { startInference } from './start.js';

type InferenceConfig = ChassisConfig & Pick<JobServiceConfig, 'trainingAddress' | 'engine' | 'workers' | 'threads'>;

const { trainingAddress, engine, workers, threads } = jobServiceConfig;
const config: ConfigTable<InferenceConfig> = { ...chassisConfig, trainingAddress, engine, workers, threads };

await runProcess({
  name: 'inference',
  title: 'Open Inference Protocol (KServe V2) server for the registered models.',
  config,
  start: async (settings, log) => {
    const { trainingAddress: modelsAddress, engine, workers, threads, host, port, metricsPort, drainMs } = settings;
    const { server, client } = await loadServiceSecurity(settings);
    const parts = await startInference({
      modelsAddress,
      security: client,
      workers,
      threads,
      ...(engine ? { engine } : {}),
    });
    try {
      return await startService({
        name: 'inference',
        host,
        port,
        metricsPort,
        drainMs,
        logger: log,
        security: server,
        services: parts.services,
        resources: [parts],
        dependencies: parts.dependencies,
      });
    } catch (error) {
      await closeAll([parts], log);
      throw error;
    }
  },
});
