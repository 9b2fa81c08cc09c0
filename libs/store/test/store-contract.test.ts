import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import {
  ConditionFailedError,
  DigestMismatchError,
  findObject,
  InvalidKeyError,
  KeyConflictError,
  KeyNotFoundError,
  type ObjectInfo,
  type Store,
} from '@percept/store';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { storeForms } from './store-forms.js';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex');

async function keysOf(objects: AsyncIterable<ObjectInfo>): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of objects) {
    keys.push(key);
  }
  return keys;
}

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) {
    collected.push(item);
  }
  return collected;
}

function patterned(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

async function* chunks(data: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.byteLength; at += size) {
    yield data.subarray(at, at + size);
  }
}

describe.each(storeForms.filter((form) => form.available))('the $name store', (form) => {
  let store: Store;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    ({ store, stop } = await form.start());
  });

  afterAll(async () => {
    await stop();
  });

  test('gives back what was put, with size, digest and a matching etag', async () => {
    const data = bytes('some weights');
    const put = await store.put('models/m1/weights.safetensors', data);
    expect(put).toMatchObject({ size: 12, sha256: sha256(data) });
    expect(await store.get('models/m1/weights.safetensors')).toEqual({ bytes: data, etag: put.etag });
    expect(await store.stat('models/m1/weights.safetensors')).toMatchObject({
      key: 'models/m1/weights.safetensors',
      size: 12,
      etag: put.etag,
    });
    const { modified } = await store.stat('models/m1/weights.safetensors');
    expect(Math.abs(modified.getTime() - Date.now())).toBeLessThan(60_000);
  });

  test('keeps an empty object', async () => {
    await store.put('empty', new Uint8Array());
    expect((await store.get('empty')).bytes).toEqual(new Uint8Array());
  });

  test('replaces as a whole', async () => {
    await store.put('replaced', bytes('a long first version'));
    await store.put('replaced', bytes('short'));
    expect((await store.get('replaced')).bytes).toEqual(bytes('short'));
  });

  test('does not alias the bytes it was given or gave out', async () => {
    const data = bytes('original');
    await store.put('alias', data);
    data.fill(0);
    const first = await store.get('alias');
    first.bytes.fill(1);
    expect((await store.get('alias')).bytes).toEqual(bytes('original'));
  });

  test.each([0, 5, 1_000, 40_000_000])('takes and gives a stream of %i bytes', async (size) => {
    const data = patterned(size);
    const put = await store.put('streamed', chunks(data, 3_000_000), { sha256: sha256(data) });
    expect(put).toMatchObject({ size, sha256: sha256(data) });
    const read: Buffer[] = [];
    for await (const chunk of await store.getStream('streamed')) {
      read.push(chunk as Buffer);
    }
    expect(sha256(Buffer.concat(read))).toBe(sha256(data));
    expect(await store.stat('streamed')).toMatchObject({ size, etag: put.etag });
  });

  test('keeps the old object when a stream fails half-way', async () => {
    await store.put('half', bytes('old'));
    async function* failing(): AsyncGenerator<Uint8Array> {
      yield patterned(20_000_000);
      throw new Error('the source broke');
    }
    await expect(store.put('half', failing())).rejects.toThrow('the source broke');
    await expect(store.put('half-new', Readable.from(failing()))).rejects.toThrow('the source broke');
    expect((await store.get('half')).bytes).toEqual(bytes('old'));
    await expect(store.get('half-new')).rejects.toThrow(KeyNotFoundError);
  });

  test.each([
    ['bytes', () => bytes('other')],
    ['a stream', () => chunks(patterned(20_000_000), 5_000_000)],
  ])('stores nothing when the digest of %s is not the announced one', async (_name, body) => {
    const announced = sha256(bytes('announced'));
    await expect(store.put('digest', body(), { sha256: announced })).rejects.toThrow(DigestMismatchError);
    await expect(store.get('digest')).rejects.toThrow(KeyNotFoundError);
  });

  test('says which object is missing', async () => {
    for (const call of [
      () => store.get('none/here'),
      () => store.stat('none/here'),
      () => store.getStream('none/here'),
    ]) {
      await expect(call()).rejects.toThrow(KeyNotFoundError);
      await expect(call()).rejects.toThrow('none/here');
    }
    expect(await findObject(store, 'none/here')).toBeUndefined();
  });

  test('lets one of ten concurrent creators win', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => store.putIfAbsent('race/created', bytes(`creator ${n}`))),
    );
    const winners = results.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []));
    expect(winners).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') {
        expect(result.reason).toBeInstanceOf(ConditionFailedError);
      }
    }
    expect((await store.get('race/created')).bytes).toEqual(bytes(`creator ${winners[0]}`));
  });

  test('lets one of ten concurrent writers replace what all of them saw', async () => {
    const { etag } = await store.put('race/replaced', bytes('seen by all'));
    const results = await Promise.allSettled(
      Array.from({ length: 10 }, (_, n) => store.putIfMatch('race/replaced', bytes(`writer ${n}`), etag)),
    );
    const winners = results.flatMap((result, n) => (result.status === 'fulfilled' ? [n] : []));
    expect(winners).toHaveLength(1);
    expect((await store.get('race/replaced')).bytes).toEqual(bytes(`writer ${winners[0]}`));
  });

  test('refuses to replace what changed or is gone', async () => {
    const first = await store.put('matched', bytes('one'));
    const second = await store.putIfMatch('matched', bytes('two'), first.etag);
    await expect(store.putIfMatch('matched', bytes('three'), first.etag)).rejects.toThrow(ConditionFailedError);
    await store.putIfMatch('matched', bytes('three'), second.etag);
    const { etag } = await store.stat('matched');
    await store.delete('matched');
    const gone = store.putIfMatch('matched', bytes('four'), etag);
    await expect(gone).rejects.toThrow();
    await expect(store.get('matched')).rejects.toThrow(KeyNotFoundError);
  });

  test('counts correctly under concurrent read-modify-write', async () => {
    await store.put('counter', bytes('0'));
    const increment = async () => {
      for (;;) {
        const { bytes: current, etag } = await store.get('counter');
        const next = bytes(String(Number(new TextDecoder().decode(current)) + 1));
        try {
          await store.putIfMatch('counter', next, etag);
          return;
        } catch (error) {
          expect(error).toBeInstanceOf(ConditionFailedError);
        }
      }
    };
    await Promise.all(Array.from({ length: 8 }, increment));
    expect((await store.get('counter')).bytes).toEqual(bytes('8'));
  });

  test('lists by prefix in the byte order of the keys', async () => {
    const keys = ['list/a', 'list/a-b', 'list/a.b/c', 'list/b/1', 'list/b/2', 'list/ba', 'list/c/d/e', 'list-other'];
    for (const key of keys) {
      await store.put(key, bytes(key));
    }
    const sorted = [...keys].sort();
    expect(await keysOf(store.list('list'))).toEqual(sorted);
    expect(await keysOf(store.list('list/'))).toEqual(sorted.filter((key) => key.startsWith('list/')));
    expect(await keysOf(store.list('list/b'))).toEqual(['list/b/1', 'list/b/2', 'list/ba']);
    expect(await keysOf(store.list('list/c/d/'))).toEqual(['list/c/d/e']);
    expect(await keysOf(store.list('list/none'))).toEqual([]);
    const [info] = await all(store.list('list/ba'));
    expect(info).toEqual(
      await store.stat('list/ba').then(({ modified, ...rest }) => ({ ...rest, modified: expect.any(Date) })),
    );
  });

  test('lists more keys than fit on a page', async () => {
    const keys = Array.from({ length: 1_100 }, (_, n) => `many/${String(n).padStart(5, '0')}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, bytes(''))));
    }
    expect(await keysOf(store.list('many/'))).toEqual(keys);
  });

  test('lists the folders below a folder', async () => {
    for (const key of ['folders/b/1', 'folders/a/1', 'folders/a/2/3', 'folders/file']) {
      await store.put(key, bytes(''));
    }
    expect(await all(store.listFolders('folders/'))).toEqual(['a', 'b']);
    expect(await all(store.listFolders('no-folders/'))).toEqual([]);
    expect(await all(store.listFolders('folders/', 'a'))).toEqual(['b']);
    expect(await all(store.listFolders('folders/', 'aa'))).toEqual(['b']);
    expect(await all(store.listFolders('folders/', 'b'))).toEqual([]);
    await expect(all(store.listFolders('folders'))).rejects.toThrow(InvalidKeyError);
  });

  test('deletes, and is content when there is nothing to delete', async () => {
    await store.put('deleted/a/b', bytes('x'));
    await store.delete('deleted/a/b');
    await store.delete('deleted/a/b');
    await expect(store.get('deleted/a/b')).rejects.toThrow(KeyNotFoundError);
    expect(await keysOf(store.list('deleted/'))).toEqual([]);
    await store.put('deleted/a', bytes('the folder is free again'));
  });

  test('lets no key be another key’s folder', async () => {
    await store.put('conflict/file', bytes('x'));
    await expect(store.put('conflict/file/below', bytes('y'))).rejects.toThrow(KeyConflictError);
    await store.put('conflict/folder/below', bytes('x'));
    await expect(store.put('conflict/folder', bytes('y'))).rejects.toThrow(KeyConflictError);
    expect(await keysOf(store.list('conflict/'))).toEqual(['conflict/file', 'conflict/folder/below']);
    await expect(store.get('conflict/file/below')).rejects.toThrow(KeyNotFoundError);
    await expect(store.get('conflict/folder')).rejects.toThrow(KeyNotFoundError);
  });

  test.each([
    '',
    '/',
    '/absolute',
    'trailing/',
    'a//b',
    '.',
    '..',
    'a/../b',
    'a/./b',
    '.hidden',
    'a/.lock',
    'a b',
    'a\\b',
    'a\0b',
    'é',
    'a\nb',
    'a%2e',
    'x'.repeat(256),
    'x/'.repeat(500),
  ])('refuses the key %j', async (key) => {
    await expect(store.put(key, bytes('x'))).rejects.toThrow(InvalidKeyError);
    await expect(store.putIfAbsent(key, bytes('x'))).rejects.toThrow(InvalidKeyError);
    await expect(store.putIfMatch(key, bytes('x'), 'etag')).rejects.toThrow(InvalidKeyError);
    await expect(store.get(key)).rejects.toThrow(InvalidKeyError);
    await expect(store.getStream(key)).rejects.toThrow(InvalidKeyError);
    await expect(store.stat(key)).rejects.toThrow(InvalidKeyError);
    await expect(store.delete(key)).rejects.toThrow(InvalidKeyError);
  });

  test('either stores any string as a key or refuses it as invalid', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 12 }),
        fc.uint8Array({ maxLength: 64 }),
        async (key, data) => {
          try {
            await store.put(`property/${key}`, data);
          } catch (error) {
            expect(error).toSatisfy((e) => e instanceof InvalidKeyError || e instanceof KeyConflictError);
            return;
          }
          expect((await store.get(`property/${key}`)).bytes).toEqual(data);
          await store.delete(`property/${key}`);
        },
      ),
      { numRuns: 60, seed: 1 },
    );
  });
});
