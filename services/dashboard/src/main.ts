import { runProcess } from '@percept/platform';
import { dashboardConfig } from './config.js';
import { startDashboard } from './start.js';

await runProcess({
  name: 'dashboard',
  title: 'The dashboard of Percept: a web page over its services.',
  config: dashboardConfig,
  async start(config, log) {
    const dashboard = await startDashboard({
      endpoints: {
        dataset: config.datasetAddress,
        training: config.trainingAddress,
        attack: config.attackAddress,
        evaluation: config.evaluationAddress,
      },
      host: config.host,
      port: config.port,
      token: config.token,
      onError: (error) => log.error({ err: error }, 'a request failed'),
    });
    log.info({ url: dashboard.url }, 'serving');
    return dashboard;
  },
});
