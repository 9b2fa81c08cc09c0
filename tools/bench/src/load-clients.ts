import { constants, setPriority } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, credentials } from '@grpc/grpc-js';
import {
  AttackOptions,
  AttackService,
  AttackTargetedRequest,
  type AttackTargetedResponse,
  connect,
  HealthService,
  PerceptRpcError,
} from '@percept/contracts';

/** What a process of clients does until it is told to stop. */
export type LoadRole =
  | { readonly kind: 'clients'; readonly address: string; readonly count: number; readonly model: string }
  | { readonly kind: 'probe'; readonly address: string; readonly everyMs: number };

/** What clients saw: calls by code, and the times of those that were answered. */
export interface ClientsReport {
  readonly codes: Readonly<Record<string, number>>;
  readonly milliseconds: readonly number[];
}

/** Times of health checks in milliseconds. */
export type ProbeReport = readonly number[];

const retryMs = 1_000;

/** So many clients with a connection each; one call at a time, and the next when the answer says so. */
async function clients(
  { address, count, model }: Extract<LoadRole, { kind: 'clients' }>,
  signal: AbortSignal,
): Promise<ClientsReport> {
  const codes: Record<string, number> = {};
  const milliseconds: number[] = [];
  const one = async (seed: number): Promise<void> => {
    const client = new Client(address, credentials.createInsecure(), {
      'grpc.enable_retries': 0,
      // Otherwise all clients would share one connection.
      'grpc.use_local_subchannel_pool': 1,
    });
    const { path, requestSerialize, responseDeserialize } = AttackService.targeted;
    const request = AttackTargetedRequest.fromPartial({
      model: { reference: { $case: 'registered', value: model } },
      images: { source: { $case: 'noise', value: { count: 1, seed } } },
      targets: [3],
      options: AttackOptions.fromPartial({ epsilon: 0.1, steps: 1, step: { $case: 'relativeStep', value: 1 } }),
      omitImages: true,
    });
    try {
      while (!signal.aborted) {
        const begun = performance.now();
        const error = await new Promise<unknown>((resolve) => {
          client.makeUnaryRequest<AttackTargetedRequest, AttackTargetedResponse>(
            path,
            requestSerialize,
            responseDeserialize,
            request,
            { deadline: Date.now() + 60_000 },
            resolve,
          );
        });
        const refused = error === null ? undefined : PerceptRpcError.from(error);
        const code = refused?.code ?? 'OK';
        codes[code] = (codes[code] ?? 0) + 1;
        if (refused === undefined) milliseconds.push(performance.now() - begun);
        else await pause(refused.retryDelayMs ?? retryMs);
      }
    } finally {
      client.close();
    }
  };
  await Promise.all(Array.from({ length: count }, (_, seed) => one(seed)));
  return { codes, milliseconds };
}

async function probe(
  { address, everyMs }: Extract<LoadRole, { kind: 'probe' }>,
  signal: AbortSignal,
): Promise<ProbeReport> {
  const connection = connect(address);
  const health = connection.calls(HealthService);
  const milliseconds: number[] = [];
  try {
    while (!signal.aborted) {
      const begun = performance.now();
      await health.check({ service: '' });
      milliseconds.push(performance.now() - begun);
      await pause(everyMs);
    }
    return milliseconds;
  } finally {
    connection.close();
  }
}

const stopped = new AbortController();
process.once('message', () => stopped.abort());
const role = JSON.parse(process.argv[2] as string) as LoadRole;
// The clients stand for other machines: they do not take the processor from the services and the probe.
if (role.kind === 'clients') setPriority(constants.priority.PRIORITY_LOW);
process.send?.(role.kind === 'clients' ? await clients(role, stopped.signal) : await probe(role, stopped.signal));
process.disconnect();
