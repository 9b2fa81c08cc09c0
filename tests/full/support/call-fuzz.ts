import { readFileSync } from 'node:fs';
import type { DescMessage } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import * as contracts from '@percept/contracts';
import {
  type AnyMethod,
  HealthCheckResponse_ServingStatus,
  HealthService,
  methodKind,
  PerceptRpcError,
  type ServiceShape,
} from '@percept/contracts';
import type { Endpoints } from '@percept/gateways';
import { contractRegistry } from '../../../libs/contracts/test/contract-registry.js';
import { type PerceptClient, perceptClient } from '../../../tools/cli/src/percept-client.js';
import { soundFiles } from './bad-input-suite.js';
import { type Below, drawer, mutations } from './mutations.js';
import { randomMessage, type Vocabulary } from './random-messages.js';
import { soundRequests } from './sound-requests.js';

/** How the calls answered. */
export interface CallFuzz {
  readonly messages: number;
  /** Answers by code, over all calls. */
  readonly codes: Readonly<Record<string, number>>;
  /** Answers that no request may get, and calls that hung: what was sent, in base64. */
  readonly wrong: readonly string[];
  readonly longestMs: number;
  /** Calls that took longer than a second, though they neither compute nor follow. */
  readonly slow: readonly SlowCall[];
  readonly healthProbes: number;
  readonly longestHealthMs: number;
  /** Of the process that serves and asks, in bytes. */
  readonly memoryGrowth: number;
}

/** A call that took longer than a second, and what the process that serves and asks did in that second, in milliseconds. */
export interface SlowCall {
  readonly path: string;
  /** Its main thread was in its event loop's callbacks. */
  readonly busyMs: number;
  /** Its main thread could run and got no processor, as Linux counts it. */
  readonly waitedForProcessorMs: number;
  /** How long the same call took when it was repeated. */
  readonly repeatedMs: number;
}

export interface CallFuzzOptions {
  readonly messages: number;
  readonly seed: number;
  /** A registered model that sound requests refer to. */
  readonly model: string;
}

const atOnce = 8;
const longestCallMs = 1_000;

/** For a call that a busy machine or disk delayed: what takes longer even then hangs. */
const patienceMs = 10_000;

/** What a caller may be told; everything else would be the service's own fault. */
const rightCodes: ReadonlySet<string> = new Set([
  'OK',
  'INVALID_ARGUMENT',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'FAILED_PRECONDITION',
  'OUT_OF_RANGE',
  'RESOURCE_EXHAUSTED',
  'PERMISSION_DENIED',
  'UNIMPLEMENTED',
]);

/** Calls that may rightly take longer than a client waits: they compute, or follow. */
const longCalls: ReadonlySet<string> = new Set(
  ['Attack/Targeted', 'Attack/Untargeted', 'Attack/TargetedStream', 'Attack/Submit', 'Jobs/Watch', 'Dataset/Read']
    .map((call) => `/percept.v1.${call}`)
    .concat('/inference.GRPCInferenceService/ModelInfer'),
);

const methods: ReadonlyMap<string, AnyMethod> = new Map(
  Object.entries(contracts)
    .filter(([name, value]) => /^[A-Z].*Service$/.test(name) && typeof value === 'object')
    .flatMap(([, service]) => Object.values(service as ServiceShape))
    .map((method) => [method.path, method]),
);

/** Sends wrong requests to every declared call in turn, over real connections, and watches health the while. The same seed sends the same. */
export async function callFuzz(
  endpoints: Endpoints & { readonly inference: string },
  options: CallFuzzOptions,
): Promise<CallFuzz> {
  const calls = [...contractRegistry().files]
    .flatMap(({ services }) => services)
    .filter(({ typeName }) => typeName !== 'grpc.health.v1.Health')
    .flatMap(({ typeName, methods: declared }) =>
      declared.map(({ name, input }) => ({ path: `/${typeName}/${name}`, input })),
    );
  const requests = new Requests(options);
  const raw = new Map<string, Client>();
  const clientOf = (path: string): Client => {
    const address = addressOf(path, endpoints);
    const known = raw.get(address) ?? new Client(address, credentials.createInsecure(), { 'grpc.enable_retries': 0 });
    raw.set(address, known);
    return known;
  };
  const client = perceptClient(endpoints);
  const codes: Record<string, number> = {};
  const wrong: string[] = [];
  let longestMs = 0;
  const slow: SlowCall[] = [];
  let sent = 0;
  const stopped = new AbortController();
  const before = process.memoryUsage().rss;
  const health = watchHealth(endpoints, stopped.signal);
  const lane = async (): Promise<void> => {
    while (sent < options.messages) {
      const { path, input } = calls[sent % calls.length] as (typeof calls)[number];
      sent += 1;
      const method = methods.get(path) as AnyMethod;
      const pieces = requests.next(method, input);
      const spent = stopwatch();
      let answer = await call(clientOf(path), method, pieces, longestCallMs);
      if (answer.code === 'DEADLINE_EXCEEDED' && !longCalls.has(path)) {
        const during = spent();
        answer = await call(clientOf(path), method, pieces, patienceMs);
        slow.push({ path, ...during, repeatedMs: Math.round(answer.tookMs) });
      }
      codes[answer.code] = (codes[answer.code] ?? 0) + 1;
      longestMs = Math.max(longestMs, answer.tookMs);
      const isRight = rightCodes.has(answer.code) || (answer.code === 'DEADLINE_EXCEEDED' && longCalls.has(path));
      const isUnread = pieces.length === 1 && !isReadable(method, pieces[0] as Uint8Array);
      if (!isRight || (isUnread && answer.code !== 'INVALID_ARGUMENT'))
        wrong.push(`${path} answered ${answer.code} (${answer.message}) to ${pieces.map(base64).join(' ')}`);
      if (answer.code === 'OK') await cancelSubmitted(client, method, answer.response);
    }
  };
  try {
    await Promise.all(Array.from({ length: atOnce }, lane));
    stopped.abort();
    const { probes, longestMs: longestHealthMs } = await health;
    return {
      messages: sent,
      codes,
      wrong,
      longestMs,
      slow,
      healthProbes: probes,
      longestHealthMs,
      memoryGrowth: process.memoryUsage().rss - before,
    };
  } finally {
    stopped.abort();
    client.close();
    for (const each of raw.values()) each.close();
  }
}

/** Begins to watch what this process does; the function it returns tells it. */
function stopwatch(): () => Pick<SlowCall, 'busyMs' | 'waitedForProcessorMs'> {
  const loop = performance.eventLoopUtilization();
  const waited = waitedForProcessorMs();
  return () => ({
    busyMs: Math.round(performance.eventLoopUtilization(loop).active),
    waitedForProcessorMs: Math.round(waitedForProcessorMs() - waited),
  });
}

/** Of this process's main thread since its start; NaN where there is no Linux to ask. */
function waitedForProcessorMs(): number {
  if (process.platform !== 'linux') return Number.NaN;
  return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6;
}

/** Makes requests: of the right shape but random, sound with random changes, and either of them with broken bytes. */
class Requests {
  readonly #below: Below;
  readonly #vocabulary: Vocabulary;
  readonly #sound: ReadonlyMap<string, readonly Uint8Array[]>;
  readonly #files: Iterator<Uint8Array>;
  #seed: number;

  constructor({ seed, model, messages }: CallFuzzOptions) {
    this.#below = drawer(seed);
    this.#seed = seed;
    this.#sound = soundRequests(model);
    this.#files = mutations(soundFiles, messages * 4 + 8, seed);
    this.#vocabulary = {
      strings: [
        '',
        'mnist-5k',
        'test',
        'train',
        'absent',
        'fuzzed',
        'pgd',
        'apgd-ce',
        'standard',
        'quickstart',
        '../../etc/passwd',
        'a\u0000b',
        'x'.repeat(5_000),
        'ünïcödé',
        'https://localhost:1/model',
        '0'.repeat(64),
      ],
      bytes: [new Uint8Array(), new Uint8Array(4), new Uint8Array(3 * 32 * 32 * 4), ...soundFiles],
      // Downloads would leave this machine.
      avoided: new Set(['download']),
    };
  }

  /** The messages of one call: one, or those of a stream. */
  next(method: AnyMethod, input: DescMessage): Uint8Array[] {
    const sound = this.#sound.get(method.path) ?? [];
    if (methodKind(method) === 'client-stream') return this.#upload(input, sound);
    return [this.#message(input, sound)];
  }

  #message(input: DescMessage, sound: readonly Uint8Array[]): Uint8Array {
    const below = this.#below;
    const base = sound.length === 0 ? undefined : sound[below(sound.length)];
    // Concatenation merges messages: later fields replace or extend the sound ones.
    const message =
      base === undefined || below(3) === 0
        ? randomMessage(input, this.#vocabulary, 0.6, below)
        : Buffer.concat([base, randomMessage(input, this.#vocabulary, 0.15, below)]);
    if (below(4) > 0) return message;
    return mutations([message], 1, this.#seed++).next().value as Uint8Array;
  }

  #upload(input: DescMessage, sound: readonly Uint8Array[]): Uint8Array[] {
    const pieces = [this.#message(input, sound)];
    for (let chunk = this.#below(4); chunk > 0; chunk--) {
      const data = this.#files.next().value as Uint8Array;
      const name = ['weights.safetensors', 'a/1.png', 'train-images-idx3-ubyte', '../x'][this.#below(4)] as string;
      // Both imports have their chunks in field 2.
      pieces.push(
        contracts.ModelsImportRequest.encode({
          part: {
            $case: 'chunk',
            value: { name, offset: 0, data, totalBytes: data.byteLength, sha256: contracts.sha256Hex(data) },
          },
        }).finish(),
      );
    }
    return pieces;
  }
}

interface Answer {
  readonly code: string;
  readonly message: string;
  readonly response: Buffer | undefined;
  readonly tookMs: number;
}

async function call(
  client: Client,
  method: AnyMethod,
  pieces: readonly Uint8Array[],
  limitMs: number,
): Promise<Answer> {
  const bytes = (value: Buffer): Buffer => value;
  const begun = performance.now();
  const options = { deadline: Date.now() + limitMs };
  const metadata = new Metadata();
  return await new Promise<Answer>((resolve) => {
    let response: Buffer | undefined;
    const done = (error: unknown): void => {
      const failure = error ? PerceptRpcError.from(error) : undefined;
      resolve({
        code: failure?.code ?? 'OK',
        message: failure?.rawMessage ?? '',
        response,
        tookMs: performance.now() - begun,
      });
    };
    if (methodKind(method) === 'client-stream') {
      const stream = client.makeClientStreamRequest(method.path, bytes, bytes, metadata, options, done);
      // The service may have answered before everything was sent.
      stream.on('error', () => undefined);
      for (const piece of pieces) stream.write(Buffer.from(piece));
      stream.end();
    } else if (methodKind(method) === 'unary') {
      client.makeUnaryRequest(
        method.path,
        bytes,
        bytes,
        Buffer.from(pieces[0] as Uint8Array),
        metadata,
        options,
        (error, value) => {
          response = value;
          done(error);
        },
      );
    } else {
      const request = Buffer.from(pieces[0] as Uint8Array);
      const stream = client.makeServerStreamRequest(method.path, bytes, bytes, request, metadata, options);
      stream.on('error', done).on('end', () => done(undefined));
      stream.resume();
    }
  });
}

/** What was rightly accepted would go on for long: it is cancelled. */
async function cancelSubmitted(client: PerceptClient, method: AnyMethod, response: Buffer | undefined): Promise<void> {
  if (!method.path.endsWith('/Submit') || response === undefined) return;
  // All three answers hold the job in field 1.
  const { job } = contracts.AttackSubmitResponse.decode(response);
  await client.jobs('attack').cancel({ jobId: job?.id ?? '', requestId: '' });
}

async function watchHealth(
  endpoints: Endpoints,
  signal: AbortSignal,
): Promise<{ readonly probes: number; readonly longestMs: number }> {
  const connection = contracts.connect(endpoints.attack);
  const health = connection.calls(HealthService);
  let probes = 0;
  let longestMs = 0;
  try {
    while (!signal.aborted) {
      const begun = performance.now();
      const { status } = await health.check({ service: 'liveness' }, { timeoutMs: 10_000 });
      if (status !== HealthCheckResponse_ServingStatus.SERVING) throw new Error(`health said ${status}`);
      longestMs = Math.max(longestMs, performance.now() - begun);
      probes += 1;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return { probes, longestMs };
  } finally {
    connection.close();
  }
}

function addressOf(path: string, endpoints: Endpoints & { readonly inference: string }): string {
  const [, service = ''] = path.split('/');
  switch (service) {
    case 'percept.v1.Dataset':
      return endpoints.dataset;
    case 'percept.v1.Training':
    case 'percept.v1.Models':
      return endpoints.training;
    case 'percept.v1.Evaluation':
      return endpoints.evaluation;
    case 'inference.GRPCInferenceService':
      return endpoints.inference;
    default:
      return endpoints.attack;
  }
}

function isReadable(method: AnyMethod, bytes: Uint8Array): boolean {
  try {
    method.requestDeserialize(Buffer.from(bytes));
    return true;
  } catch {
    // Whatever the decoder objects to.
    return false;
  }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.subarray(0, 1_024)).toString('base64');
}
