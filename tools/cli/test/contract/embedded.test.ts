import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startEmbedded } from '../../src/hosting/embedded.js';
import { contractSuite } from './contract-suite.js';

contractSuite('embedded', async () => {
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-contract-'));
  const embedded = await startEmbedded({
    dataFolder,
    host: '127.0.0.1',
    port: 0,
    workers: 1,
    threads: 1,
    dashboard: undefined,
    logLevel: 'fatal',
    outbound: [{ host: '127.0.0.1', port: '*', tls: false }],
  });
  return {
    endpoints: embedded.endpoints,
    inference: embedded.inference,
    close: async () => {
      await embedded.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
});
