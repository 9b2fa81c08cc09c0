import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import {
  createClient,
  DatasetFormat,
  type DatasetImportHeader,
  DatasetImportRequest,
  DatasetService,
  fileChunks,
  PerceptRpcError,
  type ServiceClient,
} from '@percept/contracts';
import { createLogger, type RunningService, startService } from '@percept/platform';
import { encode } from 'fast-png';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startDataset } from '../src/start.js';

type Files = Readonly<Record<string, Uint8Array>>;

let dataFolder: string;
let service: RunningService;
let client: ServiceClient<typeof DatasetService>;
let web: Server;
/** What the web server gives for CIFAR-10's archive. */
let archive: Uint8Array;
/** Where the archive is said to have moved. */
let moved: string | undefined;

const record = (label: number): Uint8Array => new Uint8Array(3073).fill(7 * label).fill(label, 0, 1);
const cifar: Files = {
  ...Object.fromEntries(
    [1, 2, 3, 4, 5].map((n) => [`data_batch_${n}.bin`, Buffer.concat([record(n), record(n + 1)])] as const),
  ),
  'test_batch.bin': record(9),
};

function tarGz(files: Files): Uint8Array {
  const blocks = Object.entries(files).flatMap(([name, bytes]) => {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(`${bytes.byteLength.toString(8).padStart(11, '0')}\0`, 124);
    header.write('        ', 148);
    header.write('0', 156);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    return [header, bytes, Buffer.alloc((512 - (bytes.byteLength % 512)) % 512)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(1024)]));
}

const png = (value: number, side = 8, channels: 1 | 3 = 3): Uint8Array =>
  encode({ width: side, height: side, channels, depth: 8, data: new Uint8Array(side * side * channels).fill(value) });

const images: Files = {
  ...Object.fromEntries(Array.from({ length: 6 }, (_, i) => [`cat/${i}.png`, png(10 * i)])),
  ...Object.fromEntries(Array.from({ length: 4 }, (_, i) => [`dog/${i}.png`, png(100 + i)])),
};

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.writeUInt8(8, 2);
  header.writeUInt8(shape.length, 3);
  for (const [axis, side] of shape.entries()) header.writeUInt32BE(side, 4 + 4 * axis);
  return Buffer.concat([header, data]);
}

const digits: Files = {
  'train-images-idx3-ubyte.gz': gzipSync(idx([3, 28, 28], new Uint8Array(3 * 784).fill(51))),
  'train-labels-idx1-ubyte': idx([3], Uint8Array.of(4, 5, 6)),
  't10k-images-idx3-ubyte': idx([1, 28, 28], new Uint8Array(784).fill(255)),
  't10k-labels-idx1-ubyte': idx([1], Uint8Array.of(7)),
};

function* importOf(
  files: Files,
  format: DatasetFormat,
  changes: Partial<DatasetImportHeader> = {},
): Generator<DatasetImportRequest> {
  const totalBytes = Object.values(files).reduce((sum, { byteLength }) => sum + byteLength, 0);
  yield DatasetImportRequest.fromPartial({
    part: {
      $case: 'header',
      value: {
        name: 'mine',
        format,
        source: { $case: 'upload', value: { files: Object.keys(files).length, totalBytes } },
        imageSize: 8,
        ...changes,
      },
    },
  });
  for (const [name, bytes] of Object.entries(files))
    for (const value of fileChunks(name, bytes)) yield { part: { $case: 'chunk', value } };
}

const asked = (format: DatasetFormat, source: DatasetImportHeader['source']): DatasetImportRequest[] => [
  DatasetImportRequest.fromPartial({
    part: { $case: 'header', value: { name: 'mine', format, source: source as never } },
  }),
];

async function serve(): Promise<void> {
  const { port } = web.address() as AddressInfo;
  const md5 = createHash('md5').update(tarGz(prefixed)).digest('hex');
  const { services } = startDataset({
    dataFolder,
    cifar10Archive: { url: `http://127.0.0.1:${port}/archive`, md5 },
    outbound: [{ host: '127.0.0.1', port, tls: false }],
  });
  service = await startService({
    name: 'dataset',
    services,
    logger: createLogger('test', { level: 'silent' as never }),
  });
  client = createClient(DatasetService, service.address);
}

const prefixed = Object.fromEntries(
  Object.entries(cifar).map(([name, bytes]) => [`cifar-10-batches-bin/${name}`, bytes]),
);

beforeEach(async () => {
  dataFolder = await mkdtemp(path.join(tmpdir(), 'percept-import-'));
  archive = tarGz(prefixed);
  moved = undefined;
  web = createServer(({ url }, response) => {
    const location = url === '/archive' ? moved : undefined;
    if (location === undefined) response.end(archive);
    else response.writeHead(302, { location }).end();
  });
  await new Promise<void>((resolve) => web.listen(0, '127.0.0.1', resolve));
  await serve();
});

afterEach(async () => {
  client.close();
  await service.close();
  await new Promise((resolve) => web.close(resolve));
  await rm(dataFolder, { recursive: true, force: true });
});

const refusal = async (call: Promise<unknown>): Promise<PerceptRpcError> => {
  const error = await call.then(
    () => new Error('the call was answered'),
    (reason: unknown) => reason,
  );
  if (error instanceof PerceptRpcError) return error;
  throw error;
};

describe('Dataset.Import', () => {
  test('divides a folder of images by class, by seed, and serves them after a restart too', async () => {
    const { dataset } = await client.import(importOf(images, DatasetFormat.IMAGE_FOLDER));
    expect(dataset).toMatchObject({ name: 'mine', classNames: ['cat', 'dog'], height: 8, width: 8, available: true });
    expect(dataset?.splits.map(({ name, samples }) => [name, samples])).toEqual([
      ['train', 8],
      ['test', 2],
    ]);
    client.close();
    await service.close();
    await serve();
    expect((await client.get({ name: 'mine' })).dataset).toEqual(dataset);
    expect((await client.list({})).datasets.map(({ name }) => name)).toContain('mine');
  });

  test('takes the splits that a folder of images has, and scales and colours the images', async () => {
    const tree = { 'train/a/1.png': png(20, 16, 1), 'train/b/1.png': png(30, 16), 'test/a/1.png': png(40, 4) };
    await client.import(importOf(tree, DatasetFormat.IMAGE_FOLDER));
    const { images: tensor, labels } = await client.getSamples({
      selection: { dataset: 'mine', split: 'train', indices: [0, 1], first: 0, count: 0 },
    });
    expect(tensor?.shape).toEqual([2, 8, 8, 3]);
    const values = new Float32Array(Uint8Array.from(tensor?.data ?? []).buffer);
    expect([...new Set(values)]).toEqual([Math.fround(20 / 255), Math.fround(30 / 255)]);
    expect(labels).toEqual([0, 1]);
  });

  test.each<[string, () => Iterable<DatasetImportRequest>]>([
    ['the six uploaded files', () => importOf(cifar, DatasetFormat.CIFAR10_BINARY)],
    [
      'the uploaded archive',
      () => importOf({ 'cifar-10-binary.tar.gz': tarGz(prefixed) }, DatasetFormat.CIFAR10_ARCHIVE),
    ],
    ['the downloaded archive', () => asked(DatasetFormat.CIFAR10_ARCHIVE, { $case: 'download', value: {} })],
    [
      'an entry of the data folder',
      () => asked(DatasetFormat.CIFAR10_BINARY, { $case: 'serverEntry', value: 'shelf' }),
    ],
  ])('reads CIFAR-10 from %s', async (_, requests) => {
    await mkdir(path.join(dataFolder, 'shelf'));
    for (const [name, bytes] of Object.entries(cifar)) await writeFile(path.join(dataFolder, 'shelf', name), bytes);
    const { dataset } = await client.import(requests());
    expect(dataset?.splits.map(({ samples, classCounts }) => [samples, classCounts])).toEqual([
      [10, [0, 1, 2, 2, 2, 2, 1, 0, 0, 0]],
      [1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]],
    ]);
  });

  test('reads IDX files, plain or gzip', async () => {
    const { dataset } = await client.import(importOf(digits, DatasetFormat.MNIST_IDX));
    expect(dataset).toMatchObject({ height: 32, width: 32, channels: 3 });
    expect(dataset?.splits.map(({ samples }) => samples)).toEqual([3, 1]);
  });

  test('gives the same answer to the same request id, and refuses the name to any other', async () => {
    const once = (): Iterable<DatasetImportRequest> =>
      importOf(images, DatasetFormat.IMAGE_FOLDER, { requestId: 'once' });
    const first = await client.import(once());
    expect(await client.import(once())).toEqual(first);
    expect(await refusal(client.import(importOf(images, DatasetFormat.IMAGE_FOLDER)))).toMatchObject({
      code: 'ALREADY_EXISTS',
    });
  });

  test('lets only one of two imports of a name at once win', async () => {
    const results = await Promise.allSettled(
      [1, 2].map((seed) =>
        client.import(importOf(images, DatasetFormat.IMAGE_FOLDER, { seed, requestId: `r${seed}` })),
      ),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  test.each<[string, () => Iterable<DatasetImportRequest>, string, string[], RegExp]>([
    ['no header', () => [], 'INVALID_ARGUMENT', ['part'], /header/],
    [
      'a bad name, format and size at once',
      () => importOf(images, DatasetFormat.UNSPECIFIED, { name: '../x', imageSize: 5, testFraction: Number.NaN }),
      'INVALID_ARGUMENT',
      ['header.name', 'header.format', 'header.test_fraction', 'header.image_size'],
      /format/,
    ],
    [
      'a taken name',
      () => importOf(images, DatasetFormat.IMAGE_FOLDER, { name: 'mnist-5k' }),
      'ALREADY_EXISTS',
      [],
      /mnist-5k/,
    ],
    [
      'a path instead of an entry',
      () => asked(DatasetFormat.IMAGE_FOLDER, { $case: 'serverEntry', value: '../../etc' }),
      'INVALID_ARGUMENT',
      ['header.server_entry'],
      /no path/,
    ],
    [
      'an entry that is not there',
      () => asked(DatasetFormat.IMAGE_FOLDER, { $case: 'serverEntry', value: 'none' }),
      'NOT_FOUND',
      [],
      /none/,
    ],
    [
      'a download of something else than CIFAR-10',
      () => asked(DatasetFormat.IMAGE_FOLDER, { $case: 'download', value: {} }),
      'INVALID_ARGUMENT',
      ['header.download'],
      /CIFAR10_ARCHIVE/,
    ],
    [
      'a truncated file of CIFAR-10',
      () => importOf({ ...cifar, 'test_batch.bin': record(1).subarray(0, 3000) }, DatasetFormat.CIFAR10_BINARY),
      'INVALID_ARGUMENT',
      ['chunk'],
      /test_batch\.bin: 3000 bytes/,
    ],
    [
      'a label that is no class',
      () => importOf({ ...cifar, 'test_batch.bin': record(12) }, DatasetFormat.CIFAR10_BINARY),
      'INVALID_ARGUMENT',
      ['chunk'],
      /label 12/,
    ],
    [
      'a corrupt archive',
      () => importOf({ 'a.tar.gz': tarGz(prefixed).subarray(0, 200) }, DatasetFormat.CIFAR10_ARCHIVE),
      'INVALID_ARGUMENT',
      ['chunk'],
      /compression is corrupt/,
    ],
    [
      'a corrupt image',
      () => importOf({ ...images, 'dog/9.png': png(1).subarray(0, 40) }, DatasetFormat.IMAGE_FOLDER),
      'INVALID_ARGUMENT',
      ['chunk'],
      /dog\/9\.png/,
    ],
    [
      'images of one class',
      () => importOf({ 'a/1.png': png(1) }, DatasetFormat.IMAGE_FOLDER),
      'INVALID_ARGUMENT',
      ['chunk'],
      /two classes/,
    ],
    [
      'fewer files than announced',
      () =>
        importOf(images, DatasetFormat.IMAGE_FOLDER, {
          source: { $case: 'upload', value: { files: 99, totalBytes: 1e6 } },
        }),
      'INVALID_ARGUMENT',
      ['header.upload.files'],
      /99/,
    ],
    [
      'missing IDX files',
      () => importOf({ 'train-images-idx3-ubyte': new Uint8Array(9) }, DatasetFormat.MNIST_IDX),
      'INVALID_ARGUMENT',
      ['chunk'],
      /is missing/,
    ],
  ])('refuses %s and keeps nothing', async (_, requests, code, fields, message) => {
    const error = await refusal(client.import(requests()));
    expect({ code: error.code, fields: error.violations.map(({ field }) => field) }).toEqual({ code, fields });
    expect(error.message).toMatch(message);
    expect((await client.list({})).datasets.map(({ name }) => name)).toEqual(['mnist-5k', 'cifar10']);
    const kept = await readdir(path.join(dataFolder, 'imported')).catch(() => []);
    expect(kept).toEqual([]);
  });

  const download = (): Promise<unknown> =>
    client.import(asked(DatasetFormat.CIFAR10_ARCHIVE, { $case: 'download', value: {} }));

  test('follows a download to where it moved', async () => {
    moved = '/elsewhere';
    await expect(download()).resolves.toMatchObject({ dataset: { name: 'mine' } });
  });

  test('does not follow a download to a server that is not on the allow-list, nor in circles', async () => {
    const { port } = web.address() as AddressInfo;
    moved = `http://localhost:${port}/elsewhere`;
    expect(await refusal(download())).toMatchObject({
      code: 'PERMISSION_DENIED',
      rawMessage: expect.stringMatching(`localhost:${port} is not on .*; its operator can add it to PERCEPT_OUTBOUND`),
    });
    moved = '/archive';
    expect(await refusal(download())).toMatchObject({
      code: 'UNAVAILABLE',
      rawMessage: expect.stringMatching('more than 5 redirects'),
    });
  });

  test('refuses a download that is not the archive whose digest is known', async () => {
    archive = tarGz({ 'x.bin': new Uint8Array(5) });
    const error = await refusal(client.import(asked(DatasetFormat.CIFAR10_ARCHIVE, { $case: 'download', value: {} })));
    expect(error).toMatchObject({ code: 'DATA_LOSS' });
    expect(error.message).toMatch(/MD5/);
  });

  test('says that a kept file was corrupted since', async () => {
    await client.import(importOf(images, DatasetFormat.IMAGE_FOLDER));
    client.close();
    await service.close();
    const file = path.join(dataFolder, 'imported', 'mine.safetensors');
    await writeFile(file, (await readFile(file)).subarray(0, 500));
    await serve();
    const error = await refusal(client.get({ name: 'mine' }));
    expect(error).toMatchObject({ code: 'FAILED_PRECONDITION' });
    expect(error.message).toMatch(/mine\.safetensors/);
    expect((await client.get({ name: 'mnist-5k' })).dataset?.available).toBe(true);
  });
});
