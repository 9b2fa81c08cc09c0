import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchNatsServer, natsBus } from '@percept/bus';
import { createClient, HealthCheckResponse_ServingStatus, HealthService } from '@percept/contracts';
import { jobDependencies } from '@percept/jobs';
import { livenessName, startService } from '@percept/platform';
import { launchVersityGateway, s3Store } from '@percept/store';
import { describe, expect, onTestFinished, test } from 'vitest';
import { worlds } from './job-worlds.js';

const { SERVING, NOT_SERVING } = HealthCheckResponse_ServingStatus;
const available = worlds.some(({ name }) => name === 'distributed');

async function folder(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'percept-readiness-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

describe.skipIf(!available)('a service on NATS and S3', () => {
  test.each(['bus', 'store'] as const)(
    'is not ready while the %s is away, is ready again, and lives all the while',
    async (part) => {
      const [busFolder, storeFolder] = [await folder(), await folder()];
      let server = await launchNatsServer({ directory: busFolder });
      onTestFinished(() => server.close());
      let gateway = await launchVersityGateway({ directory: storeFolder });
      onTestFinished(() => gateway.close());
      const { endpoint, accessKey, secretKey } = gateway;
      const bus = await natsBus({ servers: [server.url], onError: () => {} });
      const store = await s3Store({ endpoint, accessKey, secretKey, bucket: 'percept' });
      const service = await startService({
        name: 'test',
        services: [],
        dependencies: jobDependencies({ bus, store }),
        readiness: { everyMs: 50, timeoutMs: 2_000 },
        resources: [store, bus],
      });
      onTestFinished(() => service.close());
      const client = createClient(HealthService, service.address);
      onTestFinished(() => client.close());
      const stop = { bus: () => server.close(), store: () => gateway.close() };
      const restart = {
        bus: async () => {
          server = await launchNatsServer({ directory: busFolder, port: Number(new URL(server.url).port) });
        },
        store: async () => {
          const port = Number(new URL(endpoint).port);
          gateway = await launchVersityGateway({ directory: storeFolder, port, accessKey, secretKey });
        },
      };
      const seen: HealthCheckResponse_ServingStatus[] = [];
      for await (const { status } of client.watch({ service: '' })) {
        seen.push(status);
        expect((await client.check({ service: livenessName })).status).toBe(SERVING);
        if (seen.length === 1) await stop[part]();
        else if (seen.length === 2) await restart[part]();
        else break;
      }
      expect(seen).toEqual([SERVING, NOT_SERVING, SERVING]);
    },
    60_000,
  );
});
