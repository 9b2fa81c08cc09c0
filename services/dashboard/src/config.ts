import {
  type ConfigTable,
  choice,
  integer,
  type LogLevel,
  logLevels,
  type SecurityConfig,
  secret,
  securityConfig,
  text,
} from '@percept/platform';

/** The settings of the dashboard's own process. */
export interface DashboardConfig extends SecurityConfig {
  readonly datasetAddress: string;
  readonly trainingAddress: string;
  readonly attackAddress: string;
  readonly evaluationAddress: string;
  readonly host: string;
  readonly port: number;
  readonly dashboardToken: string;
  readonly logLevel: LogLevel;
}

/** The environment variables of the dashboard's own process. */
export const dashboardConfig: ConfigTable<DashboardConfig> = {
  ...securityConfig,
  datasetAddress: text({
    env: 'PERCEPT_DATASET_ADDRESS',
    description: 'HOST:PORT of the Dataset service.',
    required: true,
  }),
  trainingAddress: text({
    env: 'PERCEPT_TRAINING_ADDRESS',
    description: 'HOST:PORT of the Training and Models services.',
    required: true,
  }),
  attackAddress: text({
    env: 'PERCEPT_ATTACK_ADDRESS',
    description: 'HOST:PORT of the Attack service.',
    required: true,
  }),
  evaluationAddress: text({
    env: 'PERCEPT_EVALUATION_ADDRESS',
    description: 'HOST:PORT of the Evaluation service.',
    required: true,
  }),
  host: text({
    env: 'PERCEPT_DASHBOARD_HOST',
    description: 'Address to listen on; anything but loopback needs TLS and tokens.',
    default: '127.0.0.1',
  }),
  port: integer({
    env: 'PERCEPT_DASHBOARD_PORT',
    description: 'Port to listen on; 0 takes a free one.',
    minimum: 0,
    maximum: 65_535,
    default: 8080,
  }),
  dashboardToken: secret({
    env: 'PERCEPT_DASHBOARD_TOKEN',
    description: 'A token for everything on the dashboard, besides those of PERCEPT_TOKENS_FILE; it does not expire.',
    default: '',
  }),
  logLevel: choice({
    env: 'PERCEPT_LOG_LEVEL',
    description: 'Least serious level that is logged.',
    choices: logLevels,
    default: 'info',
  }),
};
