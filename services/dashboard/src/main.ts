import { loadSecurity, runProcess, type ServerSecurity, TokenTable } from '@percept/platform';
import { dashboardConfig } from './config.js';
import { startDashboard } from './start.js';

const endOfTime = new Date(8_640_000_000_000_000);

/** A token that holds for everything here until it is changed. */
function withToken(access: ServerSecurity, token: string): ServerSecurity {
  if (token === '') return access;
  const tokens = access.tokens ?? new TokenTable([]);
  return { ...access, tokens: tokens.with({ name: 'dashboard', token, expires: endOfTime, scopes: ['dashboard:*'] }) };
}

await runProcess({
  name: 'dashboard',
  title: 'The dashboard of Percept: a web page over its services.',
  config: dashboardConfig,
  async start(config, log) {
    const security = await loadSecurity(config);
    const dashboard = await startDashboard({
      endpoints: {
        dataset: config.datasetAddress,
        training: config.trainingAddress,
        attack: config.attackAddress,
        evaluation: config.evaluationAddress,
      },
      host: config.host,
      port: config.port,
      access: withToken(security.server, config.dashboardToken),
      security: security.client,
      onError: (error) => log.error({ err: error }, 'a request failed'),
    });
    log.info({ url: dashboard.url }, 'serving');
    return dashboard;
  },
});
