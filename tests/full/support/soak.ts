import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AttackOptions } from '@percept/contracts';
import { connect, type NatsConnection } from 'nats';
import { startDistributed } from '../../../tools/cli/src/hosting/distributed.js';
import { type PerceptClient, perceptClient } from '../../../tools/cli/src/percept-client.js';
import { smallAttack, smallReport, smallTraining, train, untilDone } from './small-jobs.js';

/** What a deployment held at one moment, by process. */
export interface Holdings {
  /** MiB. */
  readonly rss: Readonly<Record<string, number>>;
  /** Open files, sockets among them. */
  readonly handles: Readonly<Record<string, number>>;
  /** Consumers of the event stream. */
  readonly eventConsumers: number;
}

export interface Soak {
  readonly rounds: number;
  readonly calls: number;
  /** After a third of the time. */
  readonly early: Holdings;
  readonly late: Holdings;
}

/** Mixed work on a distributed deployment for so long: trainings, attack jobs, reports and calls, none of which may fail. */
export async function soak(seconds: number): Promise<Soak> {
  const dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-soak-'));
  const common = { host: '127.0.0.1', workers: 1, threads: 1, dashboard: undefined, logLevel: 'error' } as const;
  const distributed = await startDistributed({ ...common, dataFolder, attackWorkers: 1 });
  const client = perceptClient(distributed.endpoints);
  let nats: NatsConnection | undefined;
  try {
    nats = await connect({ servers: distributed.nats.url });
    const broker = nats;
    const begun = Date.now();
    const elapsed = (): number => (Date.now() - begun) / 1_000;
    let early: Holdings | undefined;
    let rounds = 0;
    let calls = 0;
    await train(client, smallTraining());
    do {
      calls += await round(client);
      rounds += 1;
      if (early === undefined && elapsed() > seconds / 3) early = await holdings(distributed.servicePids, broker);
    } while (elapsed() < seconds || early === undefined);
    return { rounds, calls, early, late: await holdings(distributed.servicePids, broker) };
  } finally {
    await nats?.close();
    client.close();
    await distributed.close();
    await rm(dataFolder, { recursive: true, force: true });
  }
}

/** One of each kind of job, with calls beside them; answers with the number of calls. */
async function round(client: PerceptClient): Promise<number> {
  let calls = 0;
  const done = new AbortController();
  const calling = (async () => {
    while (!done.signal.aborted) {
      await client.attack.targeted({
        model: { reference: { $case: 'registered', value: 'small' } },
        images: { source: { $case: 'noise', value: { count: 2, seed: calls } } },
        targets: [calls % 10],
        options: AttackOptions.fromPartial({ steps: 3 }),
        omitImages: false,
        includeOriginals: false,
      });
      calls += 1;
    }
  })();
  try {
    const evaluation = { $case: 'report', value: smallReport('small') } as const;
    const [attack, report, training] = await Promise.all([
      client.attack.submit({ requestId: '', spec: smallAttack('small') }),
      client.evaluation.submit({ requestId: '', evaluation }),
      client.training.submit({ requestId: '', spec: smallTraining({ registerAs: 'again', epochs: 1 }) }),
    ]);
    await Promise.all([
      untilDone(client, 'attack', attack.job),
      untilDone(client, 'evaluation', report.job),
      untilDone(client, 'training', training.job),
    ]);
  } finally {
    done.abort();
    await calling;
  }
  return calls;
}

async function holdings(pids: ReadonlyMap<string, number>, nats: NatsConnection): Promise<Holdings> {
  const rss: Record<string, number> = {};
  const handles: Record<string, number> = {};
  for (const [service, pid] of pids) {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    rss[service] = Math.round(Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024);
    handles[service] = (await readdir(`/proc/${pid}/fd`)).length;
  }
  const { state } = await (await nats.jetstreamManager()).streams.info('PERCEPT_EVENTS');
  return { rss, handles, eventConsumers: state.consumer_count };
}
