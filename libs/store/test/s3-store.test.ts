import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launchVersityGateway, openStore, StoreUnavailableError, s3Store, VersityGatewayError } from '@percept/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { gatewayProgram } from './store-forms.js';

describe.skipIf(gatewayProgram === undefined)('s3Store', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'percept-s3-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test('is opened by several processes’ worth of stores at once', async () => {
    const gateway = await launchVersityGateway({ directory });
    try {
      const { endpoint, accessKey, secretKey } = gateway;
      const config = { kind: 's3', endpoint, accessKey, secretKey, bucket: 'percept' } as const;
      const stores = await Promise.all([openStore(config), openStore(config), openStore(config)]);
      const data = new TextEncoder().encode('shared');
      await stores[0]?.put('key', data);
      expect((await stores[2]?.get('key'))?.bytes).toEqual(data);
    } finally {
      await gateway.close();
    }
  });

  test('says so when the server is away, and works again once it is back', async () => {
    const keys = { accessKey: 'percept', secretKey: 'secret-for-test' };
    const first = await launchVersityGateway({ directory, ...keys });
    const store = await s3Store({ endpoint: first.endpoint, bucket: 'percept', ...keys });
    await store.put('key', new Uint8Array([1]));
    await first.close();
    await expect(store.get('key')).rejects.toThrow(StoreUnavailableError);
    const second = await launchVersityGateway({ directory, ...keys, port: Number(new URL(first.endpoint).port) });
    try {
      expect((await store.get('key')).bytes).toEqual(new Uint8Array([1]));
    } finally {
      await second.close();
    }
  });

  test('refuses wrong keys at once', async () => {
    const gateway = await launchVersityGateway({ directory });
    try {
      const { endpoint, accessKey } = gateway;
      await expect(s3Store({ endpoint, bucket: 'percept', accessKey, secretKey: 'wrong' })).rejects.toThrow(
        StoreUnavailableError,
      );
    } finally {
      await gateway.close();
    }
  });

  test('says why a server does not start', async () => {
    await expect(launchVersityGateway({ directory, program: '/nonexistent/versitygw' })).rejects.toThrow(
      VersityGatewayError,
    );
  });
});
