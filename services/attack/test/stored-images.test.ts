import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DataType, InvalidTensorError, sha256Hex, storeUri, TensorRef } from '@percept/contracts';
import { openStore, type Store } from '@percept/store';
import { writeSafetensors } from '@percept/tensor';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readStoredImages } from '../src/stored-images.js';

const shape = [2, 3, 1] as const;
const pixels = Float32Array.from({ length: 12 }, (_, i) => i / 12);
const raw = new Uint8Array(pixels.buffer);
const colours = Uint8Array.from({ length: 12 }, (_, i) => i * 20);
const file = writeSafetensors({
  images: { dtype: 'F32', shape: [2, ...shape], data: pixels },
  bytes: { dtype: 'U8', shape: [2, ...shape], data: colours },
  labels: { dtype: 'I32', shape: [2], data: Int32Array.of(1, 2) },
});

let folder: string;
let store: Store;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'percept-stored-'));
  store = await openStore({ kind: 'filesystem', directory: folder });
  await store.put('images/raw.f32', raw);
  await store.put('images/raw.u8', colours);
  await store.put('reports/r1/files/witnesses.safetensors', file);
  await store.put('models/m1/secret', raw);
});

afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const refTo = (key: string, bytes: Uint8Array, change: Partial<TensorRef> = {}): TensorRef =>
  TensorRef.fromPartial({
    uri: storeUri(key),
    sha256: sha256Hex(bytes),
    dtype: DataType.FLOAT32,
    shape: [2, ...shape],
    ...change,
  });
const tensorRef = (name: string, change: Partial<TensorRef> = {}): TensorRef =>
  refTo(`reports/r1/files/witnesses.safetensors#${name}`, file, change);
const read = async (ref: TensorRef): Promise<unknown> => await readStoredImages(ref, store, 'images.ref', [...shape]);

describe('readStoredImages', () => {
  const scaled = Float32Array.from(colours, (value) => value / 255);

  it.each<[string, TensorRef, Float32Array]>([
    ['raw float32', refTo('images/raw.f32', raw), pixels],
    ['raw bytes', refTo('images/raw.u8', colours, { dtype: DataType.UINT8 }), scaled],
    ['a float32 tensor of a safetensors file', tensorRef('images'), pixels],
    ['a byte tensor of a safetensors file', tensorRef('bytes', { dtype: DataType.UINT8 }), scaled],
  ])('reads %s into pixels in [0, 1]', async (_, ref, data) => {
    expect(await read(ref)).toEqual({ shape: [2, ...shape], data });
  });

  it.each<[string, TensorRef, string[]]>([
    [
      'an address of another kind and a digest that is none',
      refTo('', raw, { uri: 'https://example.org/x', sha256: 'abc' }),
      ['uri', 'sha256'],
    ],
    ['an object that is not for callers', refTo('models/m1/secret', raw), ['uri']],
    ['a way out of the folder', refTo('images/../models/m1/secret', raw), ['uri']],
    ['bytes of another digest', refTo('images/raw.f32', colours), ['sha256']],
    ['another size', refTo('images/raw.f32', raw, { shape: [3, ...shape] }), ['data']],
    ['images that the model does not take', refTo('images/raw.f32', raw, { shape: [2, 3, 2, 1] }), ['shape']],
    ['a tensor that is not in the file', tensorRef('nothing'), ['uri']],
    ['a tensor of another object', tensorRef('toString'), ['uri']],
    ['a tensor of no images', tensorRef('labels'), ['uri']],
    ['a tensor of another type', tensorRef('bytes'), ['dtype']],
    ['a tensor of another shape', tensorRef('images', { shape: [1, ...shape] }), ['shape']],
    ['a file that is no safetensors', refTo('images/raw.f32#images', raw), ['uri']],
  ])('refuses %s, naming the field', async (_, ref, fields) => {
    const error = await read(ref).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(InvalidTensorError);
    expect((error as InvalidTensorError).violations.map(({ field }) => field)).toEqual(
      fields.map((field) => `images.ref.${field}`),
    );
  });

  it('says that there is no such object', async () => {
    await expect(read(refTo('images/none', raw))).rejects.toThrow('NOT_FOUND: there is no object store:images/none');
  });
});
