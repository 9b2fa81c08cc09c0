import { readFileSync } from 'node:fs';
import {
  type FileChunk,
  fileChunks,
  joinFileChunks,
  type Model,
  ModelFormat,
  type ModelsImportHeader,
  ModelsImportRequest,
  PerceptRpcError,
  sha256Hex,
} from '@percept/contracts';
import { type ModelSpec, parameterLayout, torchShape } from '@percept/models';
import { type HostTensor, uniformArray, writeSafetensors } from '@percept/tensor';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ModelRegistry } from '../src/model-registry.js';
import { type Ground, ground, type StartedTraining, startedTraining } from './started-training.js';
import { syntheticDataset } from './synthetic-dataset.js';

let here: Ground;
let started: StartedTraining;
beforeAll(async () => {
  here = await ground();
  started = await startedTraining(here, syntheticDataset());
});
afterAll(async () => {
  await started.close();
  await here.close();
});

const network: ModelSpec = {
  architecture: 'preact-resnet',
  width: 2,
  blocks: [1, 2, 1, 1],
  classes: 3,
  height: 8,
  widthPixels: 8,
  channels: 1,
  mean: [0.5],
  std: [0.25],
};

function weights(seed: number): Record<string, HostTensor> {
  return Object.fromEntries(
    parameterLayout(network).map((entry, sample) => {
      const shape = torchShape(entry);
      const size = shape.reduce((product, side) => product * side, 1);
      return [
        entry.name,
        { dtype: 'F32', shape, data: uniformArray({ seed, purpose: 'weights', sample }, size, 0.1, 1) },
      ];
    }),
  );
}

function* importOf(bytes: Uint8Array, changes: Partial<ModelsImportHeader> = {}): Generator<ModelsImportRequest> {
  const header = {
    name: 'imported',
    spec: { height: 8, widthPixels: 8, mean: [0.5], std: [0.25] },
    sizeBytes: bytes.byteLength,
    ...changes,
  };
  yield ModelsImportRequest.fromPartial({ part: { $case: 'header', value: header } });
  for (const value of fileChunks('weights.safetensors', bytes)) yield { part: { $case: 'chunk', value } };
}

async function imported(name: string, seed: number): Promise<Model> {
  const { model } = await started.models.import(importOf(writeSafetensors(weights(seed)), { name }));
  return model as Model;
}

async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    if (error instanceof PerceptRpcError) return error.message;
    throw error;
  }
  throw new Error('the call was answered');
}

async function exported(model: string): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const { chunk } of started.models.export({ model, format: ModelFormat.SAFETENSORS })) {
    if (chunk) pieces.push(chunk.data);
  }
  return Buffer.concat(pieces);
}

describe('Models.Import', () => {
  test('reads the network from the weights and keeps them in one canonical form', async () => {
    const tensors = weights(1);
    const wrapped = Object.fromEntries(
      Object.entries(tensors).map(([name, tensor]) => [`module.${name.replace('.shortcut.', '.shortcut.0.')}`, tensor]),
    );
    const { model } = await started.models.import(importOf(writeSafetensors(wrapped, { from: 'elsewhere' })));
    const canonical = writeSafetensors(tensors);
    expect(model).toMatchObject({
      name: 'imported',
      version: 1,
      digest: sha256Hex(canonical),
      sizeBytes: canonical.byteLength,
      spec: network,
    });
    expect(model?.parameterCount).toBeGreaterThan(0);
    expect(sha256Hex(await exported('imported'))).toBe(model?.digest);
  });

  test('reads a checkpoint that PyTorch wrote', async () => {
    const checkpoint = readFileSync(new URL('fixtures/network.pt', import.meta.url));
    const { model } = await started.models.import(
      importOf(checkpoint, { name: 'from-torch', format: ModelFormat.PYTORCH }),
    );
    expect(model?.spec).toEqual(network);
    const expected = parameterLayout(network).map((entry): [string, HostTensor] => {
      const shape = torchShape(entry);
      const size = shape.reduce((product, side) => product * side, 1);
      return [
        entry.name,
        {
          dtype: 'F32',
          shape,
          data: Float32Array.from({ length: size }, (_, i) => (((7 * i + 3 * size) % 97) + 1) / 64),
        },
      ];
    });
    expect(model?.digest).toBe(sha256Hex(writeSafetensors(Object.fromEntries(expected))));
  });

  test.each<[string, () => Iterable<ModelsImportRequest>, RegExp]>([
    [
      'a format for export only',
      () => importOf(new Uint8Array(3), { format: ModelFormat.ONNX }),
      /^INVALID_ARGUMENT: header\.format: must be SAFETENSORS or PYTORCH/,
    ],
    [
      'bytes that are no PyTorch checkpoint',
      () => importOf(new Uint8Array(30), { format: ModelFormat.PYTORCH }),
      /^INVALID_ARGUMENT: chunk: not a readable PyTorch checkpoint/,
    ],
    [
      'bytes that are no safetensors',
      () => importOf(new Uint8Array(30)),
      /^INVALID_ARGUMENT: chunk: not a sound safetensors/,
    ],
    [
      'a missing tensor',
      () => importOf(writeSafetensors(without(weights(1), 'layer2.1.bn1.bias'))),
      /^INVALID_ARGUMENT: .*layer2\.1\.bn1\.bias is missing/,
    ],
    [
      'a tensor too many',
      () =>
        importOf(writeSafetensors({ ...weights(1), extra: { dtype: 'F32', shape: [1], data: new Float32Array(1) } })),
      /extra belongs to no layer/,
    ],
    [
      'a tensor of another shape',
      () =>
        importOf(
          writeSafetensors({ ...weights(1), 'bn.bias': { dtype: 'F32', shape: [1], data: new Float32Array(1) } }),
        ),
      /bn\.bias must be F32 of shape \[16\], got F32 of shape \[1\]/,
    ],
    [
      'a value that is no number',
      () =>
        importOf(
          writeSafetensors({
            ...weights(1),
            'bn.bias': { dtype: 'F32', shape: [16], data: new Float32Array(16).fill(Number.NaN, 3, 4) },
          }),
        ),
      /bn\.bias holds NaN at value 3/,
    ],
    [
      'a specification that contradicts the weights',
      () =>
        importOf(writeSafetensors(weights(1)), {
          spec: { ...network, classes: 4, blocks: [...network.blocks], mean: [0.5], std: [0.25] },
        }),
      /header\.spec\.classes: says 4, but the weights have 3/,
    ],
    ['another size', () => importOf(writeSafetensors(weights(1)), { sizeBytes: 12 }), /at most 12 bytes/],
    ['another digest', () => importOf(writeSafetensors(weights(1)), { sha256: 'a'.repeat(64) }), /header\.sha256/],
    [
      'names for other classes',
      () => importOf(writeSafetensors(weights(1)), { classNames: ['a'] }),
      /one name per class/,
    ],
    ['no header', () => [...importOf(writeSafetensors(weights(1)))].slice(1), /first message must be the header/],
    ['no file', () => [...importOf(writeSafetensors(weights(1)))].slice(0, 1), /file must follow/],
  ])('refuses %s and keeps nothing', async (_, requests, message) => {
    const before = await started.models.list({ name: '', pageSize: 0, pageToken: '' });
    expect(await refusal(started.models.import(requests()))).toMatch(message);
    expect(await started.models.list({ name: '', pageSize: 0, pageToken: '' })).toEqual(before);
  });

  test('answers a repeated request with the same version', async () => {
    const request = { name: 'repeated', requestId: 'one' };
    const { model: first } = await started.models.import(importOf(writeSafetensors(weights(2)), request));
    const { model: second } = await started.models.import(importOf(writeSafetensors(weights(2)), request));
    expect(second).toEqual(first);
    const changed = started.models.import(importOf(writeSafetensors(weights(3)), request));
    expect(await refusal(changed)).toMatch(/^ALREADY_EXISTS/);
  });
});

describe('references, aliases and versions', () => {
  test('name the newest version, a version, an alias or an id', async () => {
    const [first, second] = [await imported('named', 1), await imported('named', 2)];
    const { model: aliased } = await started.models.setAlias({
      requestId: '',
      name: 'named',
      alias: 'champion',
      version: 1,
    });
    expect(aliased).toEqual({ ...first, aliases: ['champion'] });
    for (const [reference, id] of [
      ['named', second.id],
      ['named@1', first.id],
      ['named@champion', first.id],
      ['named:champion', first.id],
      [second.id, second.id],
    ] as const) {
      expect((await started.models.get({ model: reference })).model?.id).toBe(id);
    }
  });

  test.each([
    ['nobody', /^NOT_FOUND: there is no model nobody/],
    ['named@9', /^NOT_FOUND/],
    ['named@rival', /^NOT_FOUND/],
    ['0123456789abcdef-01234567', /^NOT_FOUND/],
    ['Named', /^INVALID_ARGUMENT/],
    ['', /^INVALID_ARGUMENT/],
  ])('find nothing for "%s"', async (reference, message) => {
    expect(await refusal(started.models.get({ model: reference }))).toMatch(message);
  });

  test('an alias moves between versions and can be removed', async () => {
    await imported('moving', 1);
    await imported('moving', 2);
    const alias = { requestId: '', name: 'moving', alias: 'champion' };
    await started.models.setAlias({ ...alias, version: 1 });
    await started.models.setAlias({ ...alias, version: 2 });
    const { models } = await started.models.list({ name: 'moving', pageSize: 0, pageToken: '' });
    expect(models.map(({ version, aliases }) => [version, aliases])).toEqual([
      [2, ['champion']],
      [1, []],
    ]);
    expect((await started.models.setAlias({ ...alias, version: 0 })).model).toBeUndefined();
    expect(await refusal(started.models.get({ model: 'moving@champion' }))).toMatch(/^NOT_FOUND/);
    expect(await refusal(started.models.setAlias({ ...alias, version: 7 }))).toMatch(/^NOT_FOUND/);
  });

  test('a deleted version is gone, its number is not given again, and the others stay', async () => {
    await imported('shrinking', 1);
    const second = await imported('shrinking', 2);
    await started.models.setAlias({ requestId: '', name: 'shrinking', alias: 'kept', version: 2 });
    expect(await refusal(started.models.delete({ requestId: '', model: 'shrinking@2' }))).toMatch(
      /^FAILED_PRECONDITION: .*alias kept/,
    );
    expect(await refusal(started.models.delete({ requestId: '', model: 'shrinking' }))).toMatch(/^INVALID_ARGUMENT/);
    await started.models.setAlias({ requestId: '', name: 'shrinking', alias: 'kept', version: 0 });
    await started.models.delete({ requestId: 'gone', model: second.id });
    await started.models.delete({ requestId: 'gone', model: second.id });
    expect(await refusal(started.models.delete({ requestId: 'other', model: second.id }))).toMatch(/^NOT_FOUND/);
    expect(await refusal(started.models.get({ model: second.id }))).toMatch(/^NOT_FOUND/);
    expect((await started.models.get({ model: 'shrinking' })).model?.version).toBe(1);
    expect((await imported('shrinking', 3)).version).toBe(3);
  });

  test('pages list every model once, newest first', async () => {
    const all = (await started.models.list({ name: '', pageSize: 1_000, pageToken: '' })).models;
    const paged: Model[] = [];
    let pageToken = '';
    do {
      const page = await started.models.list({ name: '', pageSize: 2, pageToken });
      paged.push(...page.models);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
    expect(paged).toEqual(all);
    const times = all.map(({ createTime }) => createTime?.getTime() ?? 0);
    expect(times).toEqual([...times].sort((a, b) => b - a));
  });

  test('registrations at the same time get different versions', async () => {
    const registries = [new ModelRegistry(here.store), new ModelRegistry(here.store), new ModelRegistry(here.store)];
    const models = await Promise.all(
      registries.map((registry, index) =>
        registry.register(
          writeSafetensors(weights(index)),
          {
            name: 'contested',
            spec: undefined,
            classNames: [],
            training: undefined,
            metrics: {},
            description: '',
            parameterCount: 0,
          },
          `origin-${index}`,
        ),
      ),
    );
    expect(models.map(({ version }) => version).sort()).toEqual([1, 2, 3]);
  });
});

describe('ModelRegistry', () => {
  test('finds what an origin registered, so that a job that lost its end does not register twice', async () => {
    const registry = new ModelRegistry(here.store);
    const draft = {
      name: 'resumed',
      spec: undefined,
      classNames: [],
      training: undefined,
      metrics: {},
      description: '',
      parameterCount: 0,
    };
    expect(await registry.registeredBy('resumed', 'job-1')).toBeUndefined();
    const model = await registry.register(writeSafetensors(weights(1)), draft, 'job-1');
    expect(await new ModelRegistry(here.store).registeredBy('resumed', 'job-1')).toEqual(model);
    expect(await registry.register(writeSafetensors(weights(1)), draft, 'job-1')).toEqual(model);
    await registry.delete('resumed@1', 'request');
    expect(await registry.registeredBy('resumed', 'job-1')).toBeUndefined();
  });
});

describe('Models.Export', () => {
  const filesOf = async (format: ModelFormat): Promise<Map<string, Uint8Array>> => {
    const chunks = async function* (): AsyncGenerator<FileChunk> {
      for await (const { chunk } of started.models.export({ model: 'kept', format })) if (chunk) yield chunk;
    };
    const files = new Map<string, Uint8Array>();
    for await (const { name, bytes } of joinFileChunks(chunks(), { maxBytes: 2 ** 30, maxFiles: 5 }))
      files.set(name, bytes);
    return files;
  };

  test.each([
    [ModelFormat.UNSPECIFIED, ['weights.safetensors']],
    [ModelFormat.SAFETENSORS, ['weights.safetensors']],
    [ModelFormat.ONNX, ['model.onnx']],
    [ModelFormat.TFJS, ['model.json', 'weights.bin']],
  ])('streams the files of format %s', async (format, names) => {
    const model = await imported('kept', 1);
    const files = await filesOf(format);
    expect([...files.keys()]).toEqual(names);
    const weightBytes = 4 * model.parameterCount;
    const largest = Math.max(...[...files.values()].map(({ byteLength }) => byteLength));
    expect(largest).toBeGreaterThan(weightBytes);
  });

  test('refuses the format that is for import only', async () => {
    await imported('kept', 1);
    expect(await refusal(filesOf(ModelFormat.PYTORCH))).toMatch(
      /^INVALID_ARGUMENT: format: must be SAFETENSORS, ONNX or TFJS/,
    );
  });
});

function without(tensors: Record<string, HostTensor>, name: string): Record<string, HostTensor> {
  const { [name]: _, ...rest } = tensors;
  return rest;
}
