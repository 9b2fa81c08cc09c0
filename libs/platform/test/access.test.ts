import { createHash } from 'node:crypto';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import * as contracts from '@percept/contracts';
import {
  type AnyMethod,
  type ClientTls,
  createClient,
  HealthCheckResponse_ServingStatus,
  HealthService,
  JobsService,
  methodKind,
  PerceptRpcError,
  rpcError,
  type ServiceShape,
} from '@percept/contracts';
import {
  callScopes,
  createLogger,
  type RunningService,
  type ServerSecurity,
  scopes,
  startService,
  TokenTable,
} from '@percept/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { declaredCalls } from '../../contracts/test/contract-registry.js';
import { type Issued, makeAuthority } from './support/issue-certificates.js';

/** Every service that the contracts generate, but health, whose rule differs. */
const services = Object.entries(contracts)
  .filter(([name, value]) => /^[A-Z].*Service$/.test(name) && typeof value === 'object')
  .map(([, service]) => service as ServiceShape)
  .filter((service) => service !== (HealthService as ServiceShape));
const methods: readonly AnyMethod[] = services.flatMap((service) => Object.values(service));

/** What a handler answers, and nothing else does: that the call came through. */
const reached = rpcError('DATA_LOSS', 'the handler was reached');

function handlerOf(method: AnyMethod): unknown {
  if (method.responseStream) {
    // biome-ignore lint/correctness/useYield: ends before it yields
    return async function* (): AsyncGenerator<never> {
      throw reached;
    };
  }
  return async () => {
    throw reached;
  };
}

const token = { right: 'right-token-8f1c', expired: 'expired-token-77aa', elsewhere: 'other-scope-token-19d3' };
const authority = makeAuthority();
const stranger = makeAuthority('another authority');
const identity: Issued = authority.issue();

function tokensFor(method: AnyMethod): string {
  const scope = callScopes.get(method.path) as string;
  const entry = (name: keyof typeof token, granted: readonly string[], expires: string): object => ({
    name,
    sha256: createHash('sha256').update(token[name]).digest('hex'),
    expires,
    scopes: granted,
  });
  return JSON.stringify({
    tokens: [
      entry('right', [scope], '2100-01-01T00:00:00Z'),
      entry('expired', ['*'], '2020-01-01T00:00:00Z'),
      entry(
        'elsewhere',
        scopes.filter((each) => each !== scope),
        '2100-01-01T00:00:00Z',
      ),
    ],
  });
}

const logLines: string[] = [];
const running: RunningService[] = [];

async function serve(security: ServerSecurity): Promise<RunningService> {
  const mounted = services.map((definition) => ({
    definition,
    handlers: Object.fromEntries(Object.entries(definition).map(([name, method]) => [name, handlerOf(method)])),
  }));
  const logger = createLogger('test', { level: 'trace', destination: { write: (line) => void logLines.push(line) } });
  const server = await startService({ name: 'test', services: mounted, security, logger, drainMs: 0 });
  running.push(server);
  return server;
}

afterAll(async () => {
  await Promise.all(running.map((server) => server.close()));
});

interface Caller {
  readonly tls: ClientTls | undefined;
  readonly token: string | undefined;
}

/** Makes a call with an empty request over a connection of its own; answers with the code's name. */
async function codeOf(address: string, method: AnyMethod, caller: Caller): Promise<string> {
  const { tls } = caller;
  const bytes = (pem: string | undefined): Buffer | null => (pem === undefined ? null : Buffer.from(pem));
  const client = new Client(
    address,
    tls === undefined
      ? credentials.createInsecure()
      : credentials.createSsl(bytes(tls.authorities), bytes(tls.identity?.key), bytes(tls.identity?.certificate)),
    { 'grpc.enable_retries': 0 },
  );
  const metadata = new Metadata();
  if (caller.token !== undefined) metadata.set('authorization', `Bearer ${caller.token}`);
  const options = { deadline: Date.now() + 20_000 };
  const raw = (value: Buffer): Buffer => value;
  const none = Buffer.alloc(0);
  try {
    return await new Promise<string>((resolve) => {
      const done = (error: unknown): void => resolve(error ? PerceptRpcError.from(error).code : 'OK');
      switch (methodKind(method)) {
        case 'unary':
          client.makeUnaryRequest(method.path, raw, raw, none, metadata, options, done);
          break;
        case 'client-stream':
          client.makeClientStreamRequest(method.path, raw, raw, metadata, options, done).end();
          break;
        default: {
          const stream = client.makeServerStreamRequest(method.path, raw, raw, none, metadata, options);
          stream.on('error', done).on('end', () => resolve('OK'));
          stream.resume();
        }
      }
    });
  } finally {
    client.close();
  }
}

const mine: ClientTls = { authorities: authority.certificate, identity };
const callers: readonly (readonly [string, Caller, string])[] = [
  ['no certificate', { tls: { authorities: authority.certificate }, token: token.right }, 'UNAVAILABLE'],
  [
    'the certificate of another authority',
    { tls: { authorities: authority.certificate, identity: stranger.issue() }, token: token.right },
    'UNAVAILABLE',
  ],
  [
    'an expired certificate',
    {
      tls: { authorities: authority.certificate, identity: authority.issue({ to: new Date(Date.now() - 60_000) }) },
      token: token.right,
    },
    'UNAVAILABLE',
  ],
  ['no encryption', { tls: undefined, token: token.right }, 'UNAVAILABLE'],
  [
    'trust in another authority only',
    { tls: { authorities: stranger.certificate, identity }, token: token.right },
    'UNAVAILABLE',
  ],
  ['no token', { tls: mine, token: undefined }, 'UNAUTHENTICATED'],
  ['an unknown token', { tls: mine, token: 'guessed' }, 'UNAUTHENTICATED'],
  ['an expired token', { tls: mine, token: token.expired }, 'UNAUTHENTICATED'],
  ['a token of all other scopes', { tls: mine, token: token.elsewhere }, 'PERMISSION_DENIED'],
  ['the right certificate and token', { tls: mine, token: token.right }, 'DATA_LOSS'],
];

const serverTls = { ...authority.issue(), clientAuthorities: authority.certificate };

describe.each(methods.map((method) => [method.path.slice(1), method] as const))('%s', (_name, method) => {
  let server: RunningService;

  beforeAll(async () => {
    server = await serve({ tls: serverTls, tokens: TokenTable.parse(tokensFor(method)) });
  });

  it.each(callers)('answers %s as it should', async (_caller, caller, code) => {
    expect(await codeOf(server.address, method, caller)).toBe(code);
  });
});

describe('the table of calls', () => {
  it('holds every call of the descriptor set', () => {
    expect(methods.map(({ path }) => path).sort()).toEqual(declaredCalls().sort());
  });
});

describe('the table of scopes', () => {
  it('names every generated call', () => {
    expect(methods.length).toBeGreaterThan(30);
    expect([...callScopes.keys()].sort()).toEqual(methods.map(({ path }) => path).sort());
  });
});

describe('beside the services', () => {
  const tokens = TokenTable.parse(tokensFor(JobsService.get));

  it('health answers without a token, since probes hold none', async () => {
    const server = await serve({ tokens });
    const client = createClient(HealthService, server.address);
    try {
      expect((await client.check({ service: '' })).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    } finally {
      client.close();
    }
  });

  it.each([
    ['no token', undefined, 'UNAUTHENTICATED'],
    ['an expired token', token.expired, 'UNAUTHENTICATED'],
    ['any living token', token.elsewhere, 'OK'],
  ])('reflection with %s', async (_caller, presented, code) => {
    const server = await serve({ tokens });
    const client = new Client(server.address, credentials.createInsecure());
    const metadata = new Metadata();
    if (presented !== undefined) metadata.set('authorization', `Bearer ${presented}`);
    const raw = (value: Buffer): Buffer => value;
    try {
      const answer = await new Promise<string>((resolve) => {
        const stream = client.makeBidiStreamRequest(
          '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
          raw,
          raw,
          metadata,
        );
        stream.on('error', (error) => resolve(PerceptRpcError.from(error).code));
        stream.on('data', () => resolve('OK'));
        // list_services, field 7, with one character.
        stream.write(Buffer.from([0x3a, 0x01, 0x2a]));
      });
      expect(answer).toBe(code);
    } finally {
      client.close();
    }
  });
});

describe('the log', () => {
  it('holds no token after all these calls, but the names of those who held the right ones', () => {
    const text = logLines.join('');
    for (const secret of Object.values(token)) expect(text).not.toContain(secret);
    expect(text).toContain('"caller":"right"');
    expect(text).toContain('"caller":"elsewhere"');
    expect(text).toContain('PERMISSION_DENIED');
  });
});
