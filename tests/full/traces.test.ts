import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Distributed, startDistributed } from '../../tools/cli/src/hosting/distributed.js';
import { type PerceptClient, perceptClient } from '../../tools/cli/src/percept-client.js';
import { smallAttack, smallTraining, train, untilDone } from './support/small-jobs.js';
import { type ReceivedSpan, receiveTraces, type TraceReceiver } from './support/trace-receiver.js';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const callerSpan = 'b7ad6b7169203331';

let folder: string;
let receiver: TraceReceiver;
let distributed: Distributed;
let client: PerceptClient;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'percept-traces-'));
  receiver = await receiveTraces();
  distributed = await startDistributed({
    dataFolder: folder,
    host: '127.0.0.1',
    workers: 1,
    threads: 1,
    attackWorkers: 1,
    dashboard: undefined,
    logLevel: 'error',
    environment: {
      NODE_OPTIONS: '--import=@percept/telemetry/register',
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.endpoint,
    },
  });
  client = perceptClient(distributed.endpoints);
  await train(client, smallTraining({ registerAs: 'traced', epochs: 1, trainLimit: 200 }));
});

afterAll(async () => {
  client?.close();
  await distributed?.close();
  await receiver?.close();
  await rm(folder, { recursive: true, force: true });
});

/** The spans of the trace, once those that are asked for have come. */
async function traced(names: readonly string[]): Promise<readonly ReceivedSpan[]> {
  for (const deadline = Date.now() + 30_000; ; await pause(100)) {
    const spans = receiver.spans.filter((span) => span.traceId === traceId);
    if (names.every((name) => spans.some((span) => span.name === name)) || Date.now() > deadline) return spans;
  }
}

describe('the traces of a distributed deployment, over OTLP', () => {
  it('lead from the call that submits a job over the broker to the workers, and on to the services that those call', async () => {
    const request = { requestId: '', spec: smallAttack('traced') };
    const { job } = await client.attack.submit(request, { traceparent: `00-${traceId}-${callerSpan}-01` });
    await untilDone(client, 'attack', job);
    const call = 'percept.v1.Attack/Submit';
    const weights = 'percept.v1.Models/Export';
    const spans = await traced([call, 'job attack', 'shard attack', weights]);
    const named = (name: string): readonly ReceivedSpan[] => spans.filter((span) => span.name === name);
    const [submitted] = named(call);
    expect(submitted).toMatchObject({
      service: 'percept-attack',
      parentSpanId: callerSpan,
      attributes: { 'rpc.system': 'grpc', 'rpc.method': 'Submit', 'rpc.grpc.status_code': 0 },
    });
    const [worked] = named('job attack');
    expect(worked).toMatchObject({
      parentSpanId: submitted?.spanId,
      attributes: { 'percept.job.id': job?.id, 'percept.job.state': 'SUCCEEDED' },
    });
    const shards = named('shard attack');
    expect(shards).toHaveLength(2);
    for (const shard of shards) {
      expect(shard.parentSpanId).toBe(worked?.spanId);
      expect(shard.service).toMatch(/^percept-attack(-worker)?$/);
    }
    expect(named(weights).map(({ service }) => service)).toContain('percept-training');
  });

  it('leave probes out', async () => {
    await traced(['job attack']);
    expect(receiver.spans.filter(({ name }) => name.startsWith('grpc.'))).toEqual([]);
  });
});
