import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startDistributed } from '../../../tools/cli/src/hosting/distributed.js';
import { startEmbedded } from '../../../tools/cli/src/hosting/embedded.js';
import type { ServicesUnderTest } from '../../../tools/cli/test/contract/contract-suite.js';

/** A form in which all services run. */
export type Form = 'embedded' | 'distributed';

/** Starts every service in one form over a fresh folder, which goes with them. */
export async function startServices(form: Form): Promise<ServicesUnderTest> {
  const dataFolder = await mkdtemp(path.join(tmpdir(), `percept-${form}-`));
  const common = { dataFolder, host: '127.0.0.1', workers: 1, threads: 1, dashboard: undefined };
  const running =
    form === 'embedded'
      ? await startEmbedded({
          ...common,
          port: 0,
          logLevel: 'fatal',
          outbound: [{ host: '127.0.0.1', port: '*', tls: false }],
        })
      : await startDistributed({
          ...common,
          attackWorkers: 1,
          logLevel: 'error',
          environment: { PERCEPT_OUTBOUND_ALLOW: '127.0.0.1:*' },
        });
  return {
    endpoints: running.endpoints,
    inference: running.inference,
    close: async () => {
      await running.close();
      await rm(dataFolder, { recursive: true, force: true });
    },
  };
}
