import {
  DatasetService,
  encodeTensor,
  fileChunks,
  Model,
  ModelsService,
  rpcError,
  sha256Hex,
} from '@percept/contracts';
import { CorruptWeightsError, DatasetGateway, ModelGateway, RemoteModelError } from '@percept/gateways';
import { createLogger, mount, type RunningService, startService } from '@percept/platform';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

const weights = Uint8Array.from({ length: 3_000_000 }, (_, i) => i % 251);
const models: Record<string, string> = { sound: sha256Hex(weights), corrupt: 'f'.repeat(64) };
const samples = 2_300;
let exports = 0;
let sampleCalls: number[][] = [];

const unused = async (): Promise<never> => {
  throw rpcError('UNIMPLEMENTED', 'not in this test');
};

const modelsService = mount(ModelsService, {
  list: unused,
  import: unused,
  setAlias: unused,
  delete: unused,
  get: async ({ model }) => {
    const digest = models[model];
    if (digest === undefined) throw rpcError('NOT_FOUND', `there is no model ${model}`);
    return { model: Model.fromPartial({ id: model, digest }) };
  },
  export: async function* () {
    exports++;
    for (const chunk of fileChunks('weights.safetensors', weights)) yield { chunk: { ...chunk, sha256: '' } };
  },
});

const datasetService = mount(DatasetService, {
  list: unused,
  import: unused,
  get: async ({ name }) => ({
    dataset: {
      name,
      description: '',
      classNames: ['a'],
      height: name === 'large' ? 1024 : 1,
      width: name === 'large' ? 1024 : 1,
      channels: name === 'large' ? 2 : 1,
      splits: [{ name: 'test', samples, digest: '', classCounts: [samples] }],
      defaults: undefined,
      source: '',
      available: true,
    },
  }),
  read: async function* ({ startBatch }) {
    for (const batch of [0, 1, 2].slice(startBatch)) {
      // Labels of growing length move the images to every alignment within the message.
      const labels = Array.from({ length: batch + 1 }, () => 0);
      const images = Float32Array.from(labels, () => batch / 4);
      yield { batch, batches: 3, images: encodeTensor(images, [labels.length, 1, 1, 1]), labels, indices: labels };
    }
  },
  getSamples: async ({ selection }) => {
    const indices = selection?.indices ?? [];
    sampleCalls.push(indices);
    const images = encodeTensor(
      Float32Array.from(indices, (index) => index / samples),
      [indices.length, 1, 1, 1],
    );
    return { images, labels: indices.map(() => 0), indices };
  },
});

let server: RunningService;
beforeAll(async () => {
  server = await startService({
    name: 'services',
    services: [modelsService, datasetService],
    logger: createLogger('test', { level: 'silent' }),
  });
});
afterAll(async () => {
  await server.close();
});
beforeEach(() => {
  exports = 0;
  sampleCalls = [];
});

const registered = (value: string) => ({ reference: { $case: 'registered' as const, value } });

describe('ModelGateway', () => {
  test('fetches weights that have the digest of the model, once', async () => {
    const gateway = new ModelGateway(server.address);
    try {
      const { model, weights: fetched } = await gateway.fetch(registered('sound'));
      expect(sha256Hex(fetched)).toBe(model.digest);
      expect(fetched.buffer, 'threads share it').toBeInstanceOf(SharedArrayBuffer);
      await gateway.fetch(registered('sound'));
      expect(exports).toBe(1);
    } finally {
      gateway.close();
    }
  });

  test('refuses weights of another digest, remote models and unknown ones', async () => {
    const gateway = new ModelGateway(server.address);
    try {
      await expect(gateway.fetch(registered('corrupt'))).rejects.toThrow(CorruptWeightsError);
      const value = { endpoint: 'a:1', name: '', version: '', input: '', output: '' };
      await expect(gateway.fetch({ reference: { $case: 'remote', value } })).rejects.toThrow(RemoteModelError);
      await expect(gateway.fetch(registered('nobody'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    } finally {
      gateway.close();
    }
  });
});

describe('DatasetGateway', () => {
  test('fetches a large selection in several calls and in its order', async () => {
    const gateway = new DatasetGateway(server.address);
    try {
      const selection = { dataset: 'numbers', split: '', indices: [], first: 100, count: 0 };
      const { images, shape, indices } = await gateway.samples(selection);
      const expected = Array.from({ length: samples - 100 }, (_, i) => 100 + i);
      expect([...indices]).toEqual(expected);
      expect(images).toEqual(Float32Array.from(expected, (index) => index / samples));
      expect(shape).toEqual([samples - 100, 1, 1, 1]);
      expect(sampleCalls.map(({ length }) => length)).toEqual([1_000, 1_000, 200]);
      expect(await gateway.count(selection)).toBe(samples - 100);
    } finally {
      gateway.close();
    }
  });

  test('fetches no more large images with one call than an answer holds', async () => {
    const gateway = new DatasetGateway(server.address);
    try {
      // Of 8 MiB each.
      await gateway.samples({ dataset: 'large', split: '', indices: [0, 1, 2, 3, 4, 5, 6, 7, 8], first: 0, count: 0 });
      expect(sampleCalls).toEqual([[0, 1, 2, 3], [4, 5, 6, 7], [8]]);
    } finally {
      gateway.close();
    }
  });

  test('reads batches from a given one on, wherever their bytes lie in the message', async () => {
    const gateway = new DatasetGateway(server.address);
    try {
      const read: number[][] = [];
      const request = { name: 'numbers', split: '', batchSize: 1, seed: 0, epoch: 0, shuffle: false };
      const rest = { augmentationLaw: 0 as const, augmentation: undefined, startBatch: 1, imagesDtype: 0 as const };
      for await (const { images } of gateway.read({ ...request, ...rest })) read.push([...images]);
      expect(read).toEqual([
        [0.25, 0.25],
        [0.5, 0.5, 0.5],
      ]);
    } finally {
      gateway.close();
    }
  });
});
