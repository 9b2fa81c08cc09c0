import { availableParallelism } from 'node:os';
import {
  type ChassisConfig,
  type ConfigTable,
  type ConfigVariable,
  chassisConfig,
  choice,
  integer,
  type OutboundConfig,
  outboundConfig,
  secret,
  text,
} from '@percept/platform';
import { type EngineName, engineNames } from '@percept/tensor';

/** What a service with jobs reads from its environment. */
export interface JobServiceConfig extends ChassisConfig, OutboundConfig {
  readonly natsUrl: string;
  readonly s3Endpoint: string;
  readonly s3Bucket: string;
  readonly s3AccessKey: string;
  readonly s3SecretKey: string;
  readonly datasetAddress: string;
  readonly trainingAddress: string;
  readonly attackAddress: string;
  readonly evaluationAddress: string;
  readonly engine: EngineName | undefined;
  readonly workers: number;
  readonly threads: number;
  /** Seconds. */
  readonly lease: number;
}

const address = (service: string): ConfigVariable<string> =>
  text({
    env: `PERCEPT_${service.toUpperCase()}_ADDRESS`,
    description: `Where the ${service} service listens, HOST:PORT.`,
    required: true,
  });

/** The variables of a service with jobs, in a process of its own. */
export const jobServiceConfig: ConfigTable<JobServiceConfig> = {
  ...chassisConfig,
  ...outboundConfig,
  natsUrl: text({ env: 'PERCEPT_NATS_URL', description: 'The NATS server, such as nats://HOST:4222.', required: true }),
  s3Endpoint: text({
    env: 'PERCEPT_S3_ENDPOINT',
    description: 'The S3 server, such as http://HOST:7070.',
    required: true,
  }),
  s3Bucket: text({ env: 'PERCEPT_S3_BUCKET', description: 'The bucket of all artefacts.', default: 'percept' }),
  s3AccessKey: text({ env: 'PERCEPT_S3_ACCESS_KEY', description: 'Access key of the S3 server.', required: true }),
  s3SecretKey: secret({ env: 'PERCEPT_S3_SECRET_KEY', description: 'Secret key of the S3 server.', required: true }),
  datasetAddress: address('dataset'),
  trainingAddress: address('training'),
  attackAddress: address('attack'),
  evaluationAddress: address('evaluation'),
  engine: choice({
    env: 'PERCEPT_ENGINE',
    description: 'The engine; without it native where it can be loaded, cpu otherwise.',
    choices: engineNames,
    optional: true,
  }),
  workers: integer({ env: 'PERCEPT_WORKERS', description: 'Compute workers.', minimum: 1, maximum: 256, default: 1 }),
  threads: integer({
    env: 'PERCEPT_THREADS',
    description: "Threads of each worker's engine; default: one per core.",
    minimum: 1,
    maximum: 1_024,
    default: availableParallelism(),
  }),
  lease: integer({
    env: 'PERCEPT_LEASE_SECONDS',
    description: 'How long a job or shard counts as alive without a sign of its worker; the same in every process.',
    minimum: 1,
    maximum: 3_600,
    default: 30,
  }),
};
