import { readConfig } from '@percept/platform';
import { describe, expect, it } from 'vitest';
import { dashboardConfig } from '../src/index.js';

const addresses = {
  PERCEPT_DATASET_ADDRESS: '127.0.0.1:1',
  PERCEPT_TRAINING_ADDRESS: '127.0.0.1:2',
  PERCEPT_ATTACK_ADDRESS: '127.0.0.1:3',
  PERCEPT_EVALUATION_ADDRESS: '127.0.0.1:4',
};

describe('dashboardConfig', () => {
  it('listens on loopback without a token unless told otherwise', () => {
    expect(readConfig(dashboardConfig, addresses)).toMatchObject({ host: '127.0.0.1', port: 8080, dashboardToken: '' });
  });

  it('names every missing address and every bad value at once', () => {
    const { PERCEPT_ATTACK_ADDRESS: _, ...rest } = addresses;
    const read = (): unknown => readConfig(dashboardConfig, { ...rest, PERCEPT_DASHBOARD_PORT: '70000' });
    expect(read).toThrow(/PERCEPT_ATTACK_ADDRESS must be set[\s\S]*PERCEPT_DASHBOARD_PORT must be at most 65535/);
  });
});
