import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { findNatsServer, natsBus } from '@percept/bus';
import type { Environment } from '@percept/platform';
import { openStore, type Store } from '@percept/store';
import type { Check, Finding } from './check.js';

const largestSkewMs = 60_000;

/** The store answers and honours conditional puts: that of PERCEPT_S3_ENDPOINT, or a folder where there is none. */
export function storeCheck(environment: Environment, dataFolder: string): Check {
  const endpoint = environment['PERCEPT_S3_ENDPOINT'];
  return {
    name: 'store',
    run: async () => {
      if (endpoint === undefined || endpoint === '') {
        await mkdir(dataFolder, { recursive: true });
        const folder = await mkdtemp(path.join(dataFolder, 'doctor-'));
        try {
          return await probe(await openStore({ kind: 'filesystem', directory: folder }), `a folder in ${dataFolder}`);
        } finally {
          await rm(folder, { recursive: true, force: true });
        }
      }
      const store = await openStore({
        kind: 's3',
        endpoint,
        bucket: environment['PERCEPT_S3_BUCKET'] || 'percept',
        accessKey: environment['PERCEPT_S3_ACCESS_KEY'] ?? '',
        secretKey: environment['PERCEPT_S3_SECRET_KEY'] ?? '',
      });
      return await probe(store, endpoint);
    },
  };
}

async function probe(store: Store, where: string): Promise<Finding> {
  const key = `doctor/probe-${process.pid}-${Date.now()}`;
  const bytes = Buffer.from('percept doctor');
  try {
    await store.putIfAbsent(key, bytes);
    const again = await store.putIfAbsent(key, bytes).then(
      () => 'done',
      (error: Error) => error.name,
    );
    const stale = await store.putIfMatch(key, bytes, 'no-such-etag').then(
      () => 'done',
      (error: Error) => error.name,
    );
    if (again === 'ConditionFailedError' && stale === 'ConditionFailedError') {
      return { state: 'ok', found: `${where} answers and honours conditional puts` };
    }
    return {
      state: 'failed',
      found: `${where} does not refuse a conditional put whose condition fails (${again}, ${stale})`,
      advice: 'use a store with If-None-Match and If-Match on puts: without them jobs can be done twice',
    };
  } finally {
    await store.delete(key);
    await store.close();
  }
}

/** The broker answers and has JetStream: that of PERCEPT_NATS_URL; without it, whether one can be started. */
export function brokerCheck(environment: Environment): Check {
  const url = environment['PERCEPT_NATS_URL'];
  return {
    name: 'broker',
    run: async () => {
      if (url === undefined || url === '') {
        const program = await findNatsServer();
        if (program !== undefined) return { state: 'ok', found: `${program}, for percept up --distributed` };
        const advice = 'only percept up --distributed needs it; install the package nats-server';
        return { state: 'warning', found: 'there is no nats-server', advice };
      }
      try {
        const bus = await natsBus({ servers: [url], onError: () => undefined });
        await bus.close();
      } catch (error) {
        const advice = 'start nats-server with -js, or correct PERCEPT_NATS_URL';
        return { state: 'failed', found: (error as Error).message, advice };
      }
      return { state: 'ok', found: `${url} answers and has JetStream` };
    },
  };
}

/** This clock agrees with that of the store, which refuses requests of another time. */
export function clockCheck(environment: Environment, now: () => number = Date.now): Check {
  const endpoint = environment['PERCEPT_S3_ENDPOINT'];
  return {
    name: 'clock',
    run: async () => {
      if (endpoint === undefined || endpoint === '') {
        return { state: 'ok', found: `${new Date(now()).toISOString()}, with no store of another machine to compare` };
      }
      const response = await fetch(endpoint, { method: 'HEAD', signal: AbortSignal.timeout(5_000) });
      const theirs = Date.parse(response.headers.get('date') ?? '');
      if (Number.isNaN(theirs)) return { state: 'ok', found: 'the store tells no time' };
      const skew = Math.abs(now() - theirs);
      const found = `${Math.round(skew / 1_000)} s from the clock of the store`;
      if (skew <= largestSkewMs) return { state: 'ok', found };
      return { state: 'failed', found, advice: 'set the clock, for example by NTP' };
    },
  };
}
