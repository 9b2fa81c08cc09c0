import {
  boolean,
  ConfigError,
  type ConfigTable,
  chassisConfig,
  choice,
  configHelp,
  integer,
  list,
  number,
  readConfig,
  secret,
  text,
} from '@percept/platform';
import { describe, expect, it } from 'vitest';

interface Example {
  readonly name: string;
  readonly nickname: string | undefined;
  readonly workers: number;
  readonly share: number;
  readonly fast: boolean;
  readonly engine: 'native' | 'cpu';
  readonly hosts: readonly string[];
  readonly password: string | undefined;
}

const table: ConfigTable<Example> = {
  name: text({ env: 'X_NAME', description: 'A name.', required: true }),
  nickname: text({ env: 'X_NICKNAME', description: 'Another.', optional: true }),
  workers: integer({ env: 'X_WORKERS', description: 'Threads.', minimum: 1, maximum: 8, default: 2 }),
  share: number({ env: 'X_SHARE', description: 'A share.', minimum: 0, maximum: 1, default: 0.5 }),
  fast: boolean({ env: 'X_FAST', description: 'Fast.', default: false }),
  engine: choice({ env: 'X_ENGINE', description: 'Engine.', choices: ['native', 'cpu'], default: 'native' }),
  hosts: list({ env: 'X_HOSTS', description: 'Hosts.', default: [] }),
  password: secret({ env: 'X_TOKEN', description: 'Token.', optional: true }),
};

function problemsOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(table, environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('readConfig', () => {
  it('takes defaults for what is absent or empty', () => {
    expect(readConfig(table, { X_NAME: 'a', X_WORKERS: '' })).toEqual({
      name: 'a',
      nickname: undefined,
      workers: 2,
      share: 0.5,
      fast: false,
      engine: 'native',
      hosts: [],
      password: undefined,
    });
  });

  it('reads every type', () => {
    const environment = {
      X_NAME: 'a',
      X_NICKNAME: 'b',
      X_WORKERS: '8',
      X_SHARE: '1e-3',
      X_FAST: '1',
      X_ENGINE: 'cpu',
      X_HOSTS: 'a:1, b:2,',
      X_TOKEN: 't',
    };
    expect(readConfig(table, environment)).toEqual({
      name: 'a',
      nickname: 'b',
      workers: 8,
      share: 0.001,
      fast: true,
      engine: 'cpu',
      hosts: ['a:1', 'b:2'],
      password: 't',
    });
  });

  it('tells every problem at once', () => {
    expect(problemsOf({ X_WORKERS: '9', X_SHARE: 'half', X_FAST: 'yes', X_ENGINE: 'gpu' })).toEqual([
      'X_NAME must be set',
      'X_WORKERS must be at most 8, got 9',
      'X_SHARE must be a number, got "half"',
      'X_FAST must be true or false, got "yes"',
      'X_ENGINE must be one of native, cpu, got "gpu"',
    ]);
  });

  it.each(['1.5', '0', ' ', 'NaN', 'Infinity', '0x', '-1'])('refuses %j workers', (workers) => {
    expect(problemsOf({ X_NAME: 'a', X_WORKERS: workers })).toHaveLength(1);
  });
});

describe('configHelp', () => {
  it('explains every variable with type, range and default', () => {
    const help = configHelp('Example', { ...table, ...chassisConfig });
    for (const { env, description } of [...Object.values(table), ...Object.values(chassisConfig)]) {
      expect(help).toContain(env);
      expect(help).toContain(description);
    }
    expect(help).toContain('X_NAME  text (required)');
    expect(help).toContain('X_WORKERS  integer, 1 .. 8 (default 2)');
    expect(help).toContain('X_ENGINE  native | cpu (default native)');
  });

  it('never shows the default of a secret', () => {
    const help = configHelp('Example', { token: secret({ env: 'T', description: 'Token.', default: 'hunter2' }) });
    expect(help).not.toContain('hunter2');
  });
});
