import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesystemStore, findVersityGateway, launchVersityGateway, type Store, s3Store } from '@percept/store';

export interface StoreForm {
  readonly name: string;
  readonly available: boolean;
  start(): Promise<{ store: Store; stop(): Promise<void> }>;
}

export const gatewayProgram: string | undefined = await findVersityGateway();
if (gatewayProgram === undefined) {
  const message =
    'versitygw is absent (node libs/store/scripts/install-versitygw.mjs): the S3 form of the store is not tested';
  if (process.env['CI'] !== undefined) {
    throw new Error(message);
  }
  console.warn(message);
}

export const storeForms: readonly StoreForm[] = [
  {
    name: 'filesystem',
    available: true,
    start: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'percept-store-'));
      const store = await filesystemStore(directory);
      return {
        store,
        stop: async () => {
          await store.close();
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  },
  {
    name: 's3',
    available: gatewayProgram !== undefined,
    start: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'percept-s3-'));
      const gateway = await launchVersityGateway({ directory });
      const store = await s3Store({ ...gateway, endpoint: gateway.endpoint, bucket: 'percept' });
      return {
        store,
        stop: async () => {
          await store.close();
          await gateway.close();
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  },
];
