import { readdir } from 'node:fs/promises';
import path from 'node:path';
import {
  connect,
  DatasetFormat,
  DatasetImportRequest,
  fileChunks,
  HealthCheckResponse_ServingStatus,
  HealthService,
  PerceptRpcError,
} from '@percept/contracts';
import { encode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Embedded, startEmbedded } from '../../tools/cli/src/hosting/embedded.js';
import { type PerceptClient, perceptClient } from '../../tools/cli/src/percept-client.js';
import { type SmallDisk, smallDisk } from './support/small-disk.js';
import { smallestTargeted, smallTraining, train } from './support/small-jobs.js';

const disk: SmallDisk | undefined = await smallDisk(24);
const spec = smallTraining({ recipe: 'standard', epochs: 1, trainLimit: 200 });

function* imagesOfTwoClasses(): Generator<DatasetImportRequest> {
  const png = encode({ width: 32, height: 32, channels: 1, depth: 8, data: new Uint8Array(1024) });
  const names = ['a/1.png', 'a/2.png', 'b/1.png', 'b/2.png'];
  const upload = { files: names.length, totalBytes: names.length * png.byteLength };
  const header = {
    name: 'pets',
    format: DatasetFormat.IMAGE_FOLDER,
    source: { $case: 'upload' as const, value: upload },
  };
  yield DatasetImportRequest.fromPartial({ part: { $case: 'header', value: header } });
  for (const name of names) for (const value of fileChunks(name, png)) yield { part: { $case: 'chunk', value } };
}

describe.skipIf(!disk)('the services on a full disk', () => {
  let embedded: Embedded;
  let client: PerceptClient;

  beforeAll(async () => {
    embedded = await startEmbedded({
      dataFolder: disk?.folder ?? '',
      host: '127.0.0.1',
      port: 0,
      workers: 1,
      threads: 1,
      dashboard: undefined,
      logLevel: 'fatal',
    });
    client = perceptClient(embedded.endpoints);
    await train(client, spec);
    disk?.fill();
  });

  afterAll(async () => {
    disk?.empty();
    client?.close();
    await embedded?.close();
    await disk?.close();
  });

  it.each<[string, () => Promise<unknown>]>([
    ['a training', () => client.training.submit({ requestId: '', spec })],
    ['an import of images', () => client.dataset.import(imagesOfTwoClasses())],
  ])('refuse %s with RESOURCE_EXHAUSTED', async (_, call) => {
    const error = await call().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(PerceptRpcError);
    expect((error as PerceptRpcError).code).toBe('RESOURCE_EXHAUSTED');
    expect((error as PerceptRpcError).rawMessage).toMatch(/full/);
  });

  it('go on answering what needs no room', async () => {
    const connection = connect(embedded.endpoints.attack);
    try {
      const { status } = await connection.calls(HealthService).check({ service: '' });
      expect(status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    } finally {
      connection.close();
    }
    const { result } = await client.attack.targeted(smallestTargeted('small'));
    expect(result?.outcomes).toHaveLength(1);
  });

  it('leave nothing half-written behind, and work again once there is room', async () => {
    disk?.empty();
    const files = await readdir(disk?.folder ?? '', { recursive: true });
    expect(files.filter((file) => /\.part$/.test(file) || /^store\/\.temporary\/./.test(file))).toEqual([]);
    expect(files).not.toContain(path.join('data', 'imported', 'pets.safetensors'));
    expect(await train(client, { ...spec, registerAs: 'again' })).toMatch(/^[0-9a-f]{64}$/);
    const { dataset } = await client.dataset.import(imagesOfTwoClasses());
    expect(dataset?.splits.map(({ samples }) => samples)).toEqual([3, 1]);
  });
});
