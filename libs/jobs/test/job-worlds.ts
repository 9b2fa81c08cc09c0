import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Bus, findNatsServer, launchNatsServer, memoryBus, natsBus } from '@percept/bus';
import { JobQueue, JobRepository } from '@percept/jobs';
import { filesystemStore, findVersityGateway, launchVersityGateway, type Store, s3Store } from '@percept/store';

/** What a process of a deployment sees; in the distributed form every call of `open` is another process's view. */
export interface Process {
  readonly bus: Bus;
  readonly store: Store;
  readonly repository: JobRepository;
  readonly queue: JobQueue;
}

export interface World {
  open(): Promise<Process>;
  close(): Promise<void>;
}

const natsProgram = await findNatsServer();
const gatewayProgram = await findVersityGateway();
const isDistributedAvailable = natsProgram !== undefined && gatewayProgram !== undefined;
if (!isDistributedAvailable) {
  const message = 'nats-server or versitygw is absent: the distributed form of the jobs is not tested';
  if (process.env['CI'] !== undefined) {
    throw new Error(message);
  }
  console.warn(message);
}

const silent = () => {};

function processOf(bus: Bus, store: Store): Process {
  const repository = new JobRepository(store);
  return { bus, store, repository, queue: new JobQueue(repository, bus) };
}

export const worlds: readonly { name: string; start(): Promise<World> }[] = [
  {
    name: 'embedded',
    start: async () => {
      const directory = await mkdtemp(join(tmpdir(), 'percept-jobs-'));
      const store = await filesystemStore(directory);
      const bus = memoryBus({ onError: silent });
      return {
        open: async () => processOf(bus, store),
        close: async () => {
          await bus.close();
          await store.close();
          await rm(directory, { recursive: true, force: true });
        },
      };
    },
  },
  ...(isDistributedAvailable
    ? [
        {
          name: 'distributed',
          start: async (): Promise<World> => {
            const directory = await mkdtemp(join(tmpdir(), 'percept-jobs-'));
            const [server, gateway] = await Promise.all([launchNatsServer(), launchVersityGateway({ directory })]);
            const { endpoint, accessKey, secretKey } = gateway;
            const buses: Bus[] = [];
            return {
              open: async () => {
                const bus = await natsBus({ servers: [server.url], onError: silent });
                buses.push(bus);
                return processOf(bus, await s3Store({ endpoint, accessKey, secretKey, bucket: 'percept' }));
              },
              close: async () => {
                await Promise.all(buses.map((bus) => bus.close()));
                await server.close();
                await gateway.close();
                await rm(directory, { recursive: true, force: true });
              },
            };
          },
        },
      ]
    : []),
];
