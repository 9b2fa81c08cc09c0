import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  AugmentationLaw,
  createClient,
  DatasetReadRequest,
  type DatasetReadResponse,
  DatasetService,
  DataType,
  decodeImages,
  type ServiceClient,
} from '@percept/contracts';
import { createLogger, type RunningService, startService } from '@percept/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startDataset } from '../src/start.js';

let dataFolder: string;
let service: RunningService;
let client: ServiceClient<typeof DatasetService>;

beforeAll(async () => {
  dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-read-'));
  const { services } = startDataset({ dataFolder });
  const logger = createLogger('test', { level: 'silent' as never });
  service = await startService({ name: 'dataset', services, logger });
  client = createClient(DatasetService, service.address);
});

afterAll(async () => {
  client.close();
  await service.close();
  await rm(dataFolder, { recursive: true });
});

async function read(imagesDtype: DataType): Promise<DatasetReadResponse[]> {
  const request = DatasetReadRequest.fromPartial({
    name: 'mnist-5k',
    batchSize: 40,
    limit: 100,
    shuffle: true,
    augmentationLaw: AugmentationLaw.GIVEN,
    augmentation: { cropPadding: 4, horizontalFlip: true },
    imagesDtype,
  });
  const batches: DatasetReadResponse[] = [];
  for await (const batch of client.read(request)) batches.push(batch);
  return batches;
}

describe('Dataset.Read', () => {
  test.each([DataType.UNSPECIFIED, DataType.FLOAT32])('gives float32 images in [0, 1] for type %s', async (asked) => {
    const batches = await read(asked);
    expect(batches.map(({ images }) => images?.shape)).toEqual([
      [40, 32, 32, 3],
      [40, 32, 32, 3],
      [20, 32, 32, 3],
    ]);
    expect(batches.every(({ images }) => images?.dtype === DataType.FLOAT32)).toBe(true);
  });

  test('gives the same images as bytes, to the bit after division by 255', async () => {
    const [floats, bytes] = [await read(DataType.FLOAT32), await read(DataType.UINT8)];
    expect(bytes.map(({ images }) => images?.data.byteLength)).toEqual(
      floats.map(({ images }) => (images?.data.byteLength ?? 0) / 4),
    );
    for (const [index, { images, labels, indices }] of bytes.entries()) {
      const asFloats = floats[index] as DatasetReadResponse;
      const aligned = asFloats.images && { ...asFloats.images, data: new Uint8Array(asFloats.images.data) };
      expect(decodeImages(images, 'images').data).toEqual(decodeImages(aligned, 'images').data);
      expect([labels, indices]).toEqual([asFloats.labels, asFloats.indices]);
    }
  });
});
