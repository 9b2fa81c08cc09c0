import { describe, expect, it } from 'vitest';
import { DashboardConfigError, describeDashboardConfig, readDashboardConfig } from '../src/index.js';

describe('readDashboardConfig', () => {
  it('listens on loopback and finds all services on one port unless told otherwise', () => {
    const config = readDashboardConfig({});
    expect(config.host).toBe('127.0.0.1');
    expect(new Set(Object.values(config.endpoints))).toEqual(new Set(['127.0.0.1:50051']));
  });

  it('takes what the environment says', () => {
    const config = readDashboardConfig({
      PERCEPT_ATTACK_ADDRESS: '[::1]:7000',
      PERCEPT_DASHBOARD_PORT: '0',
      PERCEPT_DASHBOARD_HOST: '',
    });
    expect(config).toMatchObject({ endpoints: { attack: '[::1]:7000' }, port: 0, host: '127.0.0.1' });
  });

  it('names every variable with a bad value at once', () => {
    const read = (): unknown =>
      readDashboardConfig({ PERCEPT_DASHBOARD_PORT: '70000', PERCEPT_DATASET_ADDRESS: 'http://here' });
    expect(read).toThrow(DashboardConfigError);
    expect(read).toThrow(
      /PERCEPT_DATASET_ADDRESS must be HOST:PORT.*\n.*PERCEPT_DASHBOARD_PORT must be a whole number/,
    );
  });

  it('describes every variable', () => {
    for (const name of ['PERCEPT_TRAINING_ADDRESS', 'PERCEPT_DASHBOARD_TOKEN']) {
      expect(describeDashboardConfig()).toContain(name);
    }
  });
});
