import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startDistributed } from '../../tools/cli/src/hosting/distributed.js';
import { contractSuite } from '../../tools/cli/test/contract/contract-suite.js';

contractSuite('distributed', async () => {
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-contract-'));
  const distributed = await startDistributed({
    dataFolder,
    host: '127.0.0.1',
    workers: 1,
    threads: 1,
    attackWorkers: 1,
    dashboard: undefined,
    logLevel: 'error',
  });
  return {
    endpoints: distributed.endpoints,
    close: async () => {
      await distributed.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
});
