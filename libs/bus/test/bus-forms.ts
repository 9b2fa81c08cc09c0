import { type Bus, findNatsServer, launchNatsServer, memoryBus, type NatsServer, natsBus } from '@percept/bus';

export interface BusForm {
  readonly name: string;
  readonly available: boolean;
  /** Starts what the form needs; the returned opener gives connections to one and the same bus. */
  start(): Promise<{ open(): Promise<Bus>; stop(): Promise<void> }>;
}

const natsProgram = await findNatsServer();
if (natsProgram === undefined) {
  const message = 'nats-server is absent (apt install nats-server): the NATS form of the bus is not tested';
  if (process.env['CI'] !== undefined) {
    throw new Error(message);
  }
  console.warn(message);
}

export const busForms: readonly BusForm[] = [
  {
    name: 'memory',
    available: true,
    start: async () => {
      const bus = memoryBus({ onError: () => {} });
      return { open: async () => bus, stop: () => bus.close() };
    },
  },
  {
    name: 'nats',
    available: natsProgram !== undefined,
    start: async () => {
      const server: NatsServer = await launchNatsServer();
      const buses: Bus[] = [];
      return {
        open: async () => {
          const bus = await natsBus({ servers: [server.url], onError: () => {} });
          buses.push(bus);
          return bus;
        },
        stop: async () => {
          await Promise.all(buses.map((bus) => bus.close()));
          await server.close();
        },
      };
    },
  },
];
