import type { DashboardEndpoints } from './grpc-reader.js';

/** The settings of the dashboard's own process. */
export interface DashboardConfig {
  readonly endpoints: DashboardEndpoints;
  readonly host: string;
  readonly port: number;
  readonly token: string;
}

/** One or more environment variables have values that cannot be used; the message names each. */
export class DashboardConfigError extends Error {
  override readonly name = 'DashboardConfigError';
}

interface Variable {
  readonly description: string;
  readonly fallback: string;
  readonly problem: (value: string) => string | null;
}

function addressProblem(value: string): string | null {
  const port = Number(/^(?:\[[0-9a-f:]+\]|[^\s:/]+):(\d{1,5})$/i.exec(value)?.[1]);
  return port >= 1 && port <= 65_535 ? null : 'must be HOST:PORT';
}

function portProblem(value: string): string | null {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? null : 'must be a whole number from 0 to 65535';
}

function hostProblem(value: string): string | null {
  return /^[^\s/]+$/.test(value) ? null : 'must be a host name or an address';
}

function service(name: string): Variable {
  return {
    description: `HOST:PORT of the ${name} service`,
    fallback: '127.0.0.1:50051',
    problem: addressProblem,
  };
}

const table = {
  PERCEPT_DATASET_ADDRESS: service('Dataset'),
  PERCEPT_TRAINING_ADDRESS: service('Training'),
  PERCEPT_ATTACK_ADDRESS: service('Attack'),
  PERCEPT_EVALUATION_ADDRESS: service('Evaluation'),
  PERCEPT_DASHBOARD_HOST: {
    description: 'Host to listen on; anything but loopback needs a token',
    fallback: '127.0.0.1',
    problem: hostProblem,
  },
  PERCEPT_DASHBOARD_PORT: {
    description: 'Port to listen on; 0 takes any free port',
    fallback: '8080',
    problem: portProblem,
  },
  PERCEPT_DASHBOARD_TOKEN: {
    description: 'Secret that every request must bring; empty on loopback means none',
    fallback: '',
    problem: () => null,
  },
} as const satisfies Readonly<Record<string, Variable>>;

type Name = keyof typeof table;

/** What `--help` prints: every environment variable with its default. */
export function describeDashboardConfig(): string {
  const names = Object.keys(table) as Name[];
  const width = Math.max(...names.map((name) => name.length));
  return names
    .map((name) => {
      const { description, fallback } = table[name];
      return `${name.padEnd(width)}  ${description}${fallback === '' ? '' : ` (${fallback})`}`;
    })
    .join('\n');
}

/**
 * Reads the settings from environment variables; an empty one counts as absent.
 * @throws DashboardConfigError that names every variable with a bad value
 */
export function readDashboardConfig(environment: Readonly<Record<string, string | undefined>>): DashboardConfig {
  const value = (name: Name): string => environment[name] || table[name].fallback;
  const problems = (Object.keys(table) as Name[]).flatMap((name) => {
    const problem = table[name].problem(value(name));
    return problem === null ? [] : [`${name} ${problem}, not ${JSON.stringify(value(name))}`];
  });
  if (problems.length > 0) throw new DashboardConfigError(problems.join('\n'));
  return {
    endpoints: {
      dataset: value('PERCEPT_DATASET_ADDRESS'),
      training: value('PERCEPT_TRAINING_ADDRESS'),
      attack: value('PERCEPT_ATTACK_ADDRESS'),
      evaluation: value('PERCEPT_EVALUATION_ADDRESS'),
    },
    host: value('PERCEPT_DASHBOARD_HOST'),
    port: Number(value('PERCEPT_DASHBOARD_PORT')),
    token: value('PERCEPT_DASHBOARD_TOKEN'),
  };
}
