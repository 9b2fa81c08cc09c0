import { setTimeout as sleep } from 'node:timers/promises';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  type AttackListMethodsResponse,
  AttackService,
  AttackTargetedRequest,
  AttackTargetedResponse,
  createClient,
  DatasetImportRequest,
  DatasetImportResponse,
  DatasetService,
  encodeTensor,
  HealthCheckResponse_ServingStatus,
  HealthService,
  JobsService,
  type JobsWatchResponse,
  PerceptRpcError,
  rpcError,
  type ServiceClient,
} from '@percept/contracts';
import {
  type CallContext,
  createLogger,
  currentTrace,
  ListenError,
  livenessName,
  type MountedService,
  mount,
  parseTraceparent,
  type RunningService,
  type ServiceHandlers,
  type StartServiceOptions,
  startService,
  TokenTable,
  Violations,
} from '@percept/platform';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { serviceConfig } from '../../contracts/src/idempotent-calls.js';

type AttackHandlers = ServiceHandlers<typeof AttackService>;
type JobsHandlers = ServiceHandlers<typeof JobsService>;

const nothing = rpcError('UNIMPLEMENTED', 'not part of this test');
const refuse = async (): Promise<never> => {
  throw nothing;
};
// biome-ignore lint/correctness/useYield: refuses before it yields
async function* refuseStream(): AsyncGenerator<never> {
  throw nothing;
}

function attack(handlers: Partial<AttackHandlers> = {}): MountedService {
  return mount(AttackService, {
    targeted: refuse,
    untargeted: refuse,
    targetedStream: refuseStream,
    submit: refuse,
    getResult: refuseStream,
    listMethods: async () => ({ methods: [] }),
    ...handlers,
  });
}

function jobs(watch: JobsHandlers['watch']): MountedService {
  return mount(JobsService, {
    get: refuse,
    list: refuse,
    cancel: refuse,
    listDeadLetters: refuse,
    requeueDeadLetter: refuse,
    collectGarbage: refuse,
    watch,
  });
}

function event(sequence: number): JobsWatchResponse {
  return { event: { sequence, jobId: 'j', event: { $case: 'log', value: { level: 1, message: 'x'.repeat(1_000) } } } };
}

const request = AttackTargetedRequest.fromPartial({});
const running: RunningService[] = [];
const logLines: string[] = [];

async function start(
  services: readonly MountedService[],
  options: Partial<StartServiceOptions> = {},
): Promise<RunningService> {
  const logger = createLogger('test', { level: 'debug', destination: { write: (line) => void logLines.push(line) } });
  const service = await startService({ name: 'test', services, logger, drainMs: 2_000, ...options });
  running.push(service);
  return service;
}

function attackClient(service: RunningService): ServiceClient<typeof AttackService> {
  const client = createClient(AttackService, service.address);
  onTestFinished(() => client.close());
  return client;
}

function jobsClient(service: RunningService): ServiceClient<typeof JobsService> {
  const client = createClient(JobsService, service.address);
  onTestFinished(() => client.close());
  return client;
}

async function failureOf(work: Promise<unknown>): Promise<PerceptRpcError> {
  const failure = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(failure).toBeInstanceOf(PerceptRpcError);
  return failure as PerceptRpcError;
}

function logged(part: string): string[] {
  return logLines.filter((line) => line.includes(part));
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((service) => service.close()));
  logLines.length = 0;
});

/** Resolves once a handler was entered, and lets the test see its context. */
function entrance(): { entered: Promise<CallContext>; enter: (context: CallContext) => void } {
  let enter: (context: CallContext) => void = () => undefined;
  const entered = new Promise<CallContext>((resolve) => {
    enter = resolve;
  });
  return { entered, enter };
}

function aborted(signal: AbortSignal): Promise<PerceptRpcError> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(signal.reason);
    else signal.addEventListener('abort', () => resolve(signal.reason), { once: true });
  });
}

describe('a served call', () => {
  it('gets its request and answers, tensors to the bit', async () => {
    const pixels = Float32Array.from([0.1, 0.2, 0.3, 0.4]);
    const service = await start([
      attack({
        targeted: async ({ targets }) =>
          AttackTargetedResponse.fromPartial({
            result: {
              images: encodeTensor(pixels, [1, 2, 2, 1]),
              outcomes: targets.map((goalClass) => ({ goalClass })),
            },
          }),
      }),
    ]);
    const { result } = await attackClient(service).targeted({ ...request, targets: [3, 4] });
    expect(result?.outcomes.map(({ goalClass }) => goalClass)).toEqual([3, 4]);
    expect(Buffer.from(result?.images?.data ?? [])).toEqual(Buffer.from(pixels.buffer));
  });

  it('answers a wrong request once, with every violation by field path', async () => {
    const service = await start([
      attack({
        targeted: async ({ options, targets }) => {
          const violations = new Violations();
          violations.number(options?.norm ?? Number.NaN, 'options.norm', 1, Number.POSITIVE_INFINITY);
          violations.integer(options?.steps ?? 0, 'options.steps', 1, 100_000);
          for (const [index, target] of targets.entries()) {
            violations.check(target < 10, `targets[${index}]`, 'the model has 10 classes');
          }
          violations.throwIfAny();
          return AttackTargetedResponse.fromPartial({});
        },
      }),
    ]);
    const wrong = AttackTargetedRequest.fromPartial({ options: { norm: 0.5, steps: 0 }, targets: [3, 12] });
    const error = await failureOf(attackClient(service).targeted(wrong));
    expect(error.code).toBe('INVALID_ARGUMENT');
    expect(error.violations).toEqual([
      { field: 'options.norm', description: 'must lie in [1, Infinity], got 0.5' },
      { field: 'options.steps', description: 'must be an integer from 1 to 100000, got 0' },
      { field: 'targets[1]', description: 'the model has 10 classes' },
    ]);
  });

  it('turns domain errors into canonical codes, and keeps their retry delay', async () => {
    class QueueFullError extends Error {
      override readonly name = 'QueueFullError';
    }
    class UnknownThingError extends Error {
      override readonly name = 'UnknownThingError';
    }
    const service = await start(
      [
        attack({
          targeted: async () => {
            throw new QueueFullError('64 tasks wait on worker 7');
          },
          untargeted: async () => {
            throw new UnknownThingError('no thing of this name');
          },
        }),
      ],
      { errorRules: { UnknownThingError: { code: 'NOT_FOUND' } } },
    );
    const client = attackClient(service);
    const full = await failureOf(client.targeted(request));
    expect(full.code).toBe('RESOURCE_EXHAUSTED');
    expect(full.retryDelayMs).toBeGreaterThanOrEqual(1_000);
    expect(full.retryDelayMs).toBeLessThanOrEqual(2_000);
    expect(full.message).not.toContain('worker 7');
    const unknown = await failureOf(client.untargeted({ labelsFrom: 0, omitImages: false, includeOriginals: false }));
    expect(unknown).toMatchObject({ code: 'NOT_FOUND', rawMessage: 'no thing of this name' });
  });

  it('tells nothing of an unforeseen error but the id under which it is logged', async () => {
    const service = await start([
      attack({
        targeted: async () => {
          throw new TypeError('password hunter2 in /srv/private');
        },
      }),
    ]);
    const error = await failureOf(attackClient(service).targeted(request));
    expect(error.code).toBe('INTERNAL');
    expect(error.message).not.toMatch(/hunter2|private|TypeError/);
    const id = /under ([0-9a-f]{12})$/.exec(error.rawMessage)?.[1] ?? 'no id';
    expect(logged(id)).toHaveLength(2);
    expect(logged(id)[0]).toContain('hunter2');
  });

  it('does not pass on how another service is reached when that one is gone', async () => {
    const gone = createClient(DatasetService, '127.0.0.1:1');
    onTestFinished(() => gone.close());
    const service = await start([
      attack({
        targeted: async (_request, context) => {
          await gone.get({ name: 'mnist' }, { ...context, timeoutMs: 5_000 });
          return AttackTargetedResponse.fromPartial({});
        },
      }),
    ]);
    const error = await failureOf(attackClient(service).targeted(request));
    expect(error.code).toBe('UNAVAILABLE');
    expect(error.message).not.toContain('127.0.0.1');
  });

  it('refuses bytes that are not its message as the fault of the request', async () => {
    const service = await start([attack()]);
    const raw = new Client(service.address, credentials.createInsecure());
    onTestFinished(() => raw.close());
    const failure = await new Promise<unknown>((resolve) => {
      raw.makeUnaryRequest(
        '/percept.v1.Attack/Targeted',
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.from([0x0a, 0xff, 0xff]),
        (error) => resolve(error),
      );
    });
    expect(PerceptRpcError.from(failure).code).toBe('INVALID_ARGUMENT');
  });

  it('belongs to the trace of its caller, in context, logs and downstream headers alike', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const seen: (string | undefined)[] = [];
    const service = await start([
      attack({
        listMethods: async (_request, context) => {
          seen.push(parseTraceparent(context.traceparent)?.traceId, currentTrace()?.traceId);
          return { methods: [] };
        },
      }),
    ]);
    await attackClient(service).listMethods({}, { traceparent: `00-${traceId}-b7ad6b7169203331-01` });
    expect(seen).toEqual([traceId, traceId]);
    expect(logged(traceId).some((line) => line.includes('"code":"OK"'))).toBe(true);
  });
});

describe('deadlines and cancellation', () => {
  it('end a call without a deadline after the default time, and fire its signal', async () => {
    const { entered, enter } = entrance();
    const service = await start(
      [
        attack({
          listMethods: (_request, context) => {
            enter(context);
            return new Promise<AttackListMethodsResponse>(() => undefined);
          },
        }),
      ],
      { defaultTimeoutMs: 100 },
    );
    const call = failureOf(attackClient(service).listMethods({}, { timeoutMs: Number.POSITIVE_INFINITY }));
    expect((await aborted((await entered).signal)).code).toBe('DEADLINE_EXCEEDED');
    expect((await call).code).toBe('DEADLINE_EXCEEDED');
  });

  it("reach the handler with the client's own deadline", async () => {
    const { entered, enter } = entrance();
    const service = await start([
      attack({
        listMethods: (_request, context) => {
          enter(context);
          return new Promise<AttackListMethodsResponse>(() => undefined);
        },
      }),
    ]);
    const begun = Date.now();
    const call = failureOf(attackClient(service).listMethods({}, { timeoutMs: 400 }));
    const context = await entered;
    // The default would be 60 s away.
    expect((context.deadline?.getTime() ?? 0) - begun).toBeLessThan(10_000);
    expect((await aborted(context.signal)).code).toBe('DEADLINE_EXCEEDED');
    expect((await call).code).toBe('DEADLINE_EXCEEDED');
  });

  it('reach the handler when the client cancels, through a second service too', async () => {
    const { entered, enter } = entrance();
    const inner = await start([
      attack({
        listMethods: (_request, context) => {
          enter(context);
          return new Promise<AttackListMethodsResponse>(() => undefined);
        },
      }),
    ]);
    const innerClient = attackClient(inner);
    const outer = await start([attack({ listMethods: (_request, context) => innerClient.listMethods({}, context) })]);
    const controller = new AbortController();
    const call = failureOf(attackClient(outer).listMethods({}, { signal: controller.signal, timeoutMs: 20_000 }));
    const context = await entered;
    expect((context.deadline?.getTime() ?? 0) - Date.now()).toBeLessThan(20_001);
    controller.abort();
    expect((await call).code).toBe('CANCELLED');
    expect((await aborted(context.signal)).code).toBe('CANCELLED');
  });

  it('do not fire the signal of a call that was answered', async () => {
    const { entered, enter } = entrance();
    const service = await start(
      [
        attack({
          listMethods: async (_request, context) => {
            enter(context);
            return { methods: [] };
          },
        }),
      ],
      { defaultTimeoutMs: 50 },
    );
    await attackClient(service).listMethods({}, { timeoutMs: Number.POSITIVE_INFINITY });
    await sleep(100);
    expect((await entered).signal.aborted).toBe(false);
  });
});

describe('streams', () => {
  it('arrive in order and end', async () => {
    const service = await start([
      jobs(async function* () {
        for (let sequence = 1; sequence <= 500; sequence += 1) yield event(sequence);
      }),
    ]);
    const sequences: number[] = [];
    for await (const { event: got } of jobsClient(service).watch({ jobId: 'j', afterSequence: 0, follow: false })) {
      sequences.push(got?.sequence ?? 0);
    }
    expect(sequences).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  });

  it('are produced no faster than they are read', async () => {
    let produced = 0;
    const service = await start([
      jobs(async function* () {
        for (;;) yield event(++produced);
      }),
    ]);
    const stream = jobsClient(service).watch({ jobId: 'j', afterSequence: 0, follow: true });
    await stream.next();
    let before = -1;
    while (before !== produced && produced < 5_000) {
      before = produced;
      await sleep(200);
    }
    expect(produced).toBeLessThan(5_000);
    await stream.return();
  });

  it('return from their generator when the client leaves', async () => {
    const { entered, enter } = entrance();
    let cleaned: () => void = () => undefined;
    const cleanedUp = new Promise<void>((resolve) => {
      cleaned = resolve;
    });
    const service = await start([
      jobs(async function* (_request, context) {
        enter(context);
        try {
          for (let sequence = 1; ; sequence += 1) {
            yield event(sequence);
            await sleep(5);
          }
        } finally {
          cleaned();
        }
      }),
    ]);
    for await (const _ of jobsClient(service).watch({ jobId: 'j', afterSequence: 0, follow: true })) break;
    expect((await aborted((await entered).signal)).code).toBe('CANCELLED');
    await cleanedUp;
  });

  it('deliver what came before an error, and then the error', async () => {
    const service = await start([
      jobs(async function* () {
        yield event(1);
        throw rpcError('NOT_FOUND', 'no such job');
      }),
    ]);
    const stream = jobsClient(service).watch({ jobId: 'j', afterSequence: 0, follow: true });
    expect((await stream.next()).value?.event?.sequence).toBe(1);
    expect((await failureOf(stream.next())).rawMessage).toBe('no such job');
  });

  describe('of requests', () => {
    function dataset(consume: (name: string) => void): MountedService {
      return mount(DatasetService, {
        list: refuse,
        get: refuse,
        read: refuseStream,
        getSamples: refuse,
        import: async (requests) => {
          let chunks = 0;
          for await (const { part } of requests) {
            if (part?.$case === 'header') {
              consume(part.value.name);
              if (part.value.name === 'taken') throw rpcError('ALREADY_EXISTS', 'the name is taken');
            } else chunks += 1;
          }
          return DatasetImportResponse.fromPartial({ dataset: { description: `${chunks} chunks` } });
        },
      });
    }

    function* upload(name: string, chunks: number): Generator<DatasetImportRequest> {
      yield DatasetImportRequest.fromPartial({ part: { $case: 'header', value: { name } } });
      const data = new Uint8Array(100_000);
      for (let index = 0; index < chunks; index += 1) {
        yield DatasetImportRequest.fromPartial({ part: { $case: 'chunk', value: { name: 'f', data } } });
      }
    }

    it('arrive whole', async () => {
      const service = await start([dataset(() => undefined)]);
      const client = createClient(DatasetService, service.address);
      onTestFinished(() => client.close());
      expect((await client.import(upload('fine', 40))).dataset?.description).toBe('40 chunks');
    });

    it('end at once when the service answers early', async () => {
      const service = await start([dataset(() => undefined)]);
      const client = createClient(DatasetService, service.address);
      onTestFinished(() => client.close());
      expect(await failureOf(client.import(upload('taken', Number.POSITIVE_INFINITY)))).toMatchObject({
        code: 'ALREADY_EXISTS',
        rawMessage: 'the name is taken',
      });
    });

    it('leave nothing waiting when the client stops half-way', async () => {
      let entered: () => void = () => undefined;
      const begun = new Promise<void>((resolve) => {
        entered = resolve;
      });
      const service = await start([dataset(() => entered())]);
      const client = createClient(DatasetService, service.address);
      onTestFinished(() => client.close());
      async function* failing(): AsyncGenerator<DatasetImportRequest> {
        yield* upload('fine', 1);
        await begun;
        throw new RangeError('the disk is gone');
      }
      await expect(client.import(failing())).rejects.toThrow('the disk is gone');
      await service.close();
      expect(logged('"code":"CANCELLED"')).toHaveLength(1);
    });
  });
});

describe('limits', () => {
  it('refuse a message above 64 MiB and go on serving', async () => {
    const service = await start([attack()]);
    const raw = new Client(service.address, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
    onTestFinished(() => raw.close());
    const failure = await new Promise<unknown>((resolve) => {
      raw.makeUnaryRequest(
        '/percept.v1.Attack/Targeted',
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        Buffer.alloc(64 * 1024 * 1024 + 1),
        (error) => resolve(error),
      );
    });
    expect(PerceptRpcError.from(failure).code).toBe('RESOURCE_EXHAUSTED');
    expect(await attackClient(service).listMethods({})).toEqual({ methods: [] });
  });

  it('let a message of 40 MiB through', async () => {
    let bytes = 0;
    const service = await start([
      attack({
        targeted: async ({ images }) => {
          const source = images?.source;
          if (source?.$case === 'inline' && source.value.images?.source?.$case === 'tensor') {
            bytes = source.value.images.source.value.data.byteLength;
          }
          return AttackTargetedResponse.fromPartial({});
        },
      }),
    ]);
    const tensor = encodeTensor(new Uint8Array(40 * 1024 * 1024), [40, 1024, 1024, 1]);
    const images = { images: { source: { $case: 'tensor' as const, value: tensor } }, labels: [], sampleIds: [] };
    await attackClient(service).targeted({ ...request, images: { source: { $case: 'inline', value: images } } });
    expect(bytes).toBe(40 * 1024 * 1024);
  });
});

describe('health and reflection', () => {
  async function probe(service: RunningService, name: string): Promise<HealthCheckResponse_ServingStatus> {
    const client = createClient(HealthService, service.address);
    onTestFinished(() => client.close());
    return (await client.check({ service: name })).status;
  }

  it('say of the server and of each service whether it serves', async () => {
    const service = await start([attack()]);
    expect(await probe(service, '')).toBe(HealthCheckResponse_ServingStatus.SERVING);
    expect(await probe(service, 'percept.v1.Attack')).toBe(HealthCheckResponse_ServingStatus.SERVING);
    await expect(probe(service, 'percept.v1.Jobs')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it.each([
    ['is missing', (_: Promise<void>) => Promise.reject(new Error('gone'))],
    ['does not answer', (answer: Promise<void>) => answer],
  ])(
    'say NOT_SERVING while a dependency %s and SERVING when it is back, and of liveness always SERVING',
    async (_, fail) => {
      let giveAnswer = (): void => {};
      const answer = new Promise<void>((resolve) => {
        giveAnswer = resolve;
      });
      let check: () => Promise<void> = async () => {};
      const service = await start([attack()], {
        dependencies: [
          { name: 'there', check: async () => {} },
          { name: 'fickle', check: () => check() },
        ],
        readiness: { everyMs: 5, timeoutMs: 50 },
      });
      const client = createClient(HealthService, service.address);
      onTestFinished(() => client.close());
      const seen: HealthCheckResponse_ServingStatus[] = [];
      for await (const { status } of client.watch({ service: 'percept.v1.Attack' })) {
        seen.push(status);
        expect(await probe(service, '')).toBe(status);
        expect(await probe(service, livenessName)).toBe(HealthCheckResponse_ServingStatus.SERVING);
        if (seen.length === 3) break;
        check = seen.length === 1 ? () => fail(answer) : async () => {};
        if (seen.length === 2) giveAnswer();
      }
      expect(seen).toEqual([
        HealthCheckResponse_ServingStatus.SERVING,
        HealthCheckResponse_ServingStatus.NOT_SERVING,
        HealthCheckResponse_ServingStatus.SERVING,
      ]);
      expect(logLines.join('')).toContain('fickle');
    },
  );

  it('say NOT_SERVING from the start where a dependency is missing then', async () => {
    const service = await start([attack()], {
      dependencies: [{ name: 'gone', check: () => Promise.reject(new Error('gone')) }],
    });
    expect(await probe(service, '')).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
    expect(await probe(service, livenessName)).toBe(HealthCheckResponse_ServingStatus.SERVING);
  });

  it('list the services that are mounted and no others, and describe their messages', async () => {
    const service = await start([attack()]);
    const listed = await reflect(service, Buffer.from([0x3a, 0x00]));
    expect(listed).toContain('percept.v1.Attack');
    expect(listed).toContain('grpc.health.v1.Health');
    expect(listed).not.toContain('percept.v1.Jobs');
    const symbol = Buffer.from('percept.v1.AttackTargetedRequest');
    const described = await reflect(service, Buffer.concat([Buffer.from([0x22, symbol.length]), symbol]));
    expect(described).toContain('percept/v1/attack.proto');
    const health = Buffer.from('grpc.health.v1.Health');
    const healthFile = await reflect(service, Buffer.concat([Buffer.from([0x22, health.length]), health]));
    expect(healthFile).toContain('HealthCheckResponse');
    expect(described).toContain('omit_images');
    expect(described).not.toContain('JobsWatchRequest');
  });

  function reflect(service: RunningService, question: Buffer): Promise<string> {
    const raw = new Client(service.address, credentials.createInsecure());
    onTestFinished(() => raw.close());
    return new Promise((resolve, reject) => {
      const call = raw.makeBidiStreamRequest(
        '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
        (bytes: Buffer) => bytes,
        (bytes) => bytes,
        new Metadata(),
      );
      call.on('data', (bytes: Buffer) => resolve(bytes.toString('latin1')));
      call.on('error', reject);
      call.write(question);
      call.end();
    });
  }
});

describe('the life of a server', () => {
  it('lets calls under way finish, then closes what it owns in reverse', async () => {
    const { entered, enter } = entrance();
    const order: string[] = [];
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const own = (name: string) => ({ close: async () => void order.push(name) });
    const service = await start(
      [
        attack({
          listMethods: async (_request, context) => {
            enter(context);
            await gate;
            order.push('answered');
            return { methods: [] };
          },
        }),
      ],
      { resources: [own('store'), own('bus'), own('pool')] },
    );
    const call = attackClient(service).listMethods({});
    await entered;
    const closed = service.close();
    release();
    expect(await call).toEqual({ methods: [] });
    await closed;
    expect(order).toEqual(['answered', 'pool', 'bus', 'store']);
  });

  it('ends streams and calls that do not finish in time, as something to try elsewhere', async () => {
    const stuck = entrance();
    const service = await start(
      [
        attack({
          listMethods: (_request, context) => {
            stuck.enter(context);
            return new Promise<AttackListMethodsResponse>(() => undefined);
          },
        }),
        jobs(async function* (_request, context) {
          yield event(1);
          await aborted(context.signal);
        }),
      ],
      { drainMs: 100 },
    );
    const watch = jobsClient(service).watch({ jobId: 'j', afterSequence: 0, follow: true });
    await watch.next();
    const raw = new Client(service.address, credentials.createInsecure());
    onTestFinished(() => raw.close());
    const call = new Promise<unknown>((resolve) => {
      raw.makeUnaryRequest(
        '/percept.v1.Attack/ListMethods',
        () => Buffer.alloc(0),
        (bytes) => bytes,
        {},
        (error) => resolve(error),
      );
    });
    await stuck.entered;
    await service.close();
    expect((await failureOf(watch.next())).code).toBe('UNAVAILABLE');
    expect(PerceptRpcError.from(await call)).toMatchObject({ code: 'UNAVAILABLE', retryDelayMs: 1_000 });
  });

  it('closes the rest when one resource cannot be closed', async () => {
    const order: string[] = [];
    const service = await startService({
      name: 'test',
      services: [attack()],
      logger: createLogger('test', { level: 'silent' }),
      resources: [
        { close: () => void order.push('first') },
        {
          close: () => {
            throw new Error('stuck');
          },
        },
      ],
    });
    await expect(service.close()).rejects.toBeInstanceOf(AggregateError);
    expect(order).toEqual(['first']);
  });

  it('says which address cannot be had', async () => {
    const first = await start([attack()]);
    const second = start([attack()], { port: first.port });
    await expect(second).rejects.toBeInstanceOf(ListenError);
    await expect(second).rejects.toThrow(`127.0.0.1:${first.port}`);
  });

  it('counts its calls under the names that dashboards know', async () => {
    const service = await start([attack()], { metricsPort: 0 });
    const client = attackClient(service);
    await client.listMethods({});
    await failureOf(client.targeted(request));
    const text = await (await fetch(`http://${service.metricsAddress}/metrics`)).text();
    const labels = 'grpc_type="unary",grpc_service="percept.v1.Attack"';
    expect(text).toContain(`grpc_server_handled_total{${labels},grpc_method="ListMethods",grpc_code="OK"} 1`);
    expect(text).toContain(`grpc_server_handled_total{${labels},grpc_method="Targeted",grpc_code="Unimplemented"} 1`);
    expect(text).toContain(`grpc_server_started_total{${labels},grpc_method="Targeted"} 1`);
    expect(text).toContain('process_cpu_seconds_total');
  });
});

describe('the client', () => {
  it('gives mutating requests an id of their own, and leaves a given one alone', async () => {
    const ids: string[] = [];
    const service = await start([
      attack({
        submit: async ({ requestId }) => {
          ids.push(requestId);
          return {};
        },
      }),
    ]);
    const client = attackClient(service);
    await client.submit({ requestId: '' });
    await client.submit({ requestId: 'mine' });
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(ids[1]).toBe('mine');
  });

  it('tries an idempotent call again when the service is away for a moment, a request above 1 MiB included', async () => {
    const ids: string[] = [];
    const service = await start([
      attack({
        targeted: async ({ targets }) => {
          ids.push('call');
          if (ids.length < 3) throw rpcError('UNAVAILABLE', 'a moment');
          return AttackTargetedResponse.fromPartial({ result: { outcomes: targets.slice(0, 1).map(() => ({})) } });
        },
      }),
    ]);
    const large = AttackTargetedRequest.fromPartial({ targets: new Array(3_000_000).fill(1) });
    const { result } = await attackClient(service).targeted(large);
    expect(result?.outcomes).toHaveLength(1);
    expect(ids).toHaveLength(3);
    expect(serviceConfig()).toContain('UNAVAILABLE');
  });

  it('sends its token with every call, and the handler does not see it', async () => {
    const seen: unknown[] = [];
    const tokens = new TokenTable([]).with({
      name: 'x',
      token: 'abc',
      expires: new Date('2100-01-01'),
      scopes: ['attack:read'],
    });
    const service = await start(
      [
        attack({
          listMethods: async (_request, { metadata }) => {
            seen.push(metadata.get('authorization'));
            return { methods: [] };
          },
        }),
      ],
      { security: { tokens } },
    );
    const client = createClient(AttackService, service.address, { token: 'abc' });
    onTestFinished(() => client.close());
    await client.listMethods({});
    expect(seen).toEqual([[]]);
    expect((await failureOf(attackClient(service).listMethods({}))).code).toBe('UNAUTHENTICATED');
  });

  it('does not begin a call whose signal has fired', async () => {
    let calls = 0;
    const service = await start([
      attack({
        listMethods: async () => {
          calls += 1;
          return { methods: [] };
        },
      }),
    ]);
    const error = await failureOf(attackClient(service).listMethods({}, { signal: AbortSignal.abort() }));
    expect(error.code).toBe('CANCELLED');
    expect(calls).toBe(0);
  });
});
