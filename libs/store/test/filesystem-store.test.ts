import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { filesystemStore, KeyNotFoundError, StoreFullError, StoreLockedError } from '@percept/store';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const TOKEN = '0'.repeat(32);

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('filesystemStore', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'percept-fs-'));
  });

  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  test('keeps its objects over a close and a new start', async () => {
    const first = await filesystemStore(directory);
    const { etag } = await first.put('a/b', bytes('kept'));
    await first.close();
    const second = await filesystemStore(directory);
    expect(await second.get('a/b')).toEqual({ bytes: bytes('kept'), etag });
    await second.close();
    expect(await readdir(directory)).toEqual(['.temporary', 'a']);
  });

  test('refuses a second instance and names the first', async () => {
    const store = await filesystemStore(directory);
    await expect(filesystemStore(directory)).rejects.toThrow(StoreLockedError);
    await expect(filesystemStore(directory)).rejects.toThrow(`in use by process ${process.pid}`);
    await store.close();
    await (await filesystemStore(directory)).close();
  });

  test.each([
    ['a process that is gone', (gone: number) => `.lock-${gone}-1-${TOKEN}-holder`],
    ['an earlier process with the number of a living one', () => `.lock-${process.pid}-1-${TOKEN}-holder`],
    ['a process that died while it opened the store', (gone: number) => `.lock-${gone}-0-${TOKEN}-candidate`],
  ])('takes over from %s', async (_name, claim) => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    await writeFile(join(directory, claim(child.pid ?? 0)), '');
    const store = await filesystemStore(directory);
    await store.put('a', bytes('x'));
    await store.close();
    expect(await readdir(directory)).toEqual(['.temporary', 'a']);
  });

  test('lets one of several openers take over a stale lock', async () => {
    for (let round = 0; round < 10; round++) {
      await writeFile(join(directory, `.lock-${process.pid}-1-${TOKEN}-holder`), '');
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => filesystemStore(directory)));
      const opened = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      expect(opened).toHaveLength(1);
      await Promise.all(opened.map((store) => store.close()));
    }
  });

  test('removes what a crash left half-written', async () => {
    await mkdir(join(directory, '.temporary'));
    await writeFile(join(directory, '.temporary', 'left-over'), 'half');
    const store = await filesystemStore(directory);
    expect(await readdir(join(directory, '.temporary'))).toEqual([]);
    await store.close();
  });

  test('leaves no temporary file after failed and refused writes', async () => {
    const store = await filesystemStore(directory);
    const { etag } = await store.put('a', bytes('x'));
    await expect(store.putIfAbsent('a', bytes('y'))).rejects.toThrow();
    await expect(store.putIfMatch('a', bytes('y'), 'wrong')).rejects.toThrow();
    await expect(store.put('b', bytes('y'), { sha256: 'wrong' })).rejects.toThrow();
    expect(await readdir(join(directory, '.temporary'))).toEqual([]);
    expect((await store.get('a')).etag).toBe(etag);
    await store.close();
  });

  test('survives deletions beside writes in the same folder', async () => {
    const store = await filesystemStore(directory);
    for (let round = 0; round < 50; round++) {
      await store.put('shared/folder/old', bytes('x'));
      await Promise.all([store.delete('shared/folder/old'), store.put('shared/folder/new', bytes('y'))]);
      await store.delete('shared/folder/new');
    }
    await expect(store.get('shared/folder/new')).rejects.toThrow(KeyNotFoundError);
    await store.close();
  });

  test('says that the file system is full, keeps the old object and goes on', async (context) => {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', directory]);
    if (mounted.status !== 0) {
      context.skip('mounting a small file system needs root');
    }
    try {
      const store = await filesystemStore(directory);
      await store.put('object', bytes('old'));
      const error: unknown = await store.put('object', new Uint8Array(2_000_000)).catch((reason) => reason);
      expect(error).toBeInstanceOf(StoreFullError);
      expect(String(error)).toContain('object');
      expect((await store.get('object')).bytes).toEqual(bytes('old'));
      expect(await readdir(join(directory, '.temporary'))).toEqual([]);
      await store.put('object', bytes('new'));
      await store.close();
    } finally {
      spawnSync('umount', [directory]);
    }
  });
});
