import { rpcError } from '@percept/contracts';
import { DatasetGateway } from '@percept/gateways';
import { createLogger, type RunningService, startService } from '@percept/platform';
import type { Batch } from '@percept/recipes';
import { afterEach, describe, expect, test } from 'vitest';
import { EpochBatches } from '../src/epoch-batches.js';
import { type SyntheticDataset, syntheticDataset } from './synthetic-dataset.js';

const closing: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function reading(dataset: SyntheticDataset, signal = new AbortController().signal): Promise<EpochBatches> {
  const server: RunningService = await startService({
    name: 'dataset',
    services: [dataset.service],
    logger: createLogger('test', { level: 'silent' }),
  });
  closing.push(() => server.close());
  const gateway = new DatasetGateway(server.address);
  closing.push(() => gateway.close());
  const batches = new EpochBatches(gateway, { dataset: 'blobs', samples: 20, batchSize: 8, seed: 1, signal });
  closing.push(() => batches.close());
  return batches;
}

async function inOrder(batches: EpochBatches): Promise<Batch[]> {
  const read: Batch[] = [];
  for (const epoch of [0, 1]) for (const index of [0, 1, 2]) read.push(await batches.batch(epoch, index));
  return read;
}

describe('EpochBatches', () => {
  test('opens one stream per epoch and gives every sample once', async () => {
    const dataset = syntheticDataset();
    const batches = await reading(dataset);
    const read = await inOrder(batches);
    expect(batches.batchesPerEpoch).toBe(3);
    expect(dataset.reads.map(({ epoch, startBatch }) => [epoch, startBatch])).toEqual([
      [0, 0],
      [1, 0],
    ]);
    for (const epoch of [read.slice(0, 3), read.slice(3)]) {
      const ids = epoch.flatMap(({ sampleIds }) => [...sampleIds]).sort((a, b) => a - b);
      expect(ids).toEqual(Array.from({ length: 20 }, (_, i) => i));
    }
  });

  test('gives the same batch whichever was read before', async () => {
    const expected = await inOrder(await reading(syntheticDataset()));
    const batches = await reading(syntheticDataset());
    for (const [epoch, index] of [
      [1, 2],
      [0, 1],
      [1, 0],
      [1, 0],
      [1, 1],
    ] as const) {
      expect(await batches.batch(epoch, index)).toEqual(expected[epoch * 3 + index]);
    }
  });

  test('goes on at the batch where the service broke off', async () => {
    let failures = 2;
    const dataset = syntheticDataset((batch, { epoch }) => {
      if (epoch === 1 && batch === 1 && failures-- > 0) throw rpcError('UNAVAILABLE', 'away');
    });
    const expected = await inOrder(await reading(syntheticDataset()));
    expect(await inOrder(await reading(dataset))).toEqual(expected);
    expect(failures).toBeLessThan(0);
    expect(dataset.reads.at(-1)).toMatchObject({ epoch: 1, startBatch: 1 });
  });

  test('does not try again what the service refuses', async () => {
    const dataset = syntheticDataset(() => {
      throw rpcError('FAILED_PRECONDITION', 'not imported');
    });
    const batches = await reading(dataset);
    await expect(batches.batch(0, 0)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(dataset.reads).toHaveLength(1);
  });
});
