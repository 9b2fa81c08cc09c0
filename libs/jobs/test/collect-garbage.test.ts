import { JobResult, JobSpec } from '@percept/contracts';
import { collectGarbage, InvalidPageTokenError } from '@percept/jobs';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Process, type World, worlds } from './job-worlds.js';

describe.each(worlds)('garbage in the $name form', (form) => {
  let world: World;
  let process: Process;

  beforeAll(async () => {
    world = await form.start();
    process = await world.open();
  });

  afterAll(async () => {
    await world.close();
  });

  async function job(state: 'QUEUED' | 'RUNNING' | 'SUCCEEDED' | 'FAILED'): Promise<string> {
    const { id } = await process.queue.submit({ kind: 'attack', spec: JobSpec.create(), requestId: '' });
    await process.repository.update(id, (record) => ({
      ...record,
      state,
      ...(state === 'SUCCEEDED' ? { result: JobResult.create() } : {}),
    }));
    for (const key of [`job-shards/${id}/a-1/task`, `attacks/${id}/shard-0.bin`, `jobs/${id}/checkpoint`]) {
      await process.store.put(key, Buffer.from('x'));
    }
    return id;
  }

  test('is what nobody refers to, told by a dry run and removed by another', async () => {
    const [queued, running, succeeded, failed] = [
      await job('QUEUED'),
      await job('RUNNING'),
      await job('SUCCEEDED'),
      await job('FAILED'),
    ];
    await process.store.put('reports/nobody/files/report.json', Buffer.from('x'));
    await process.store.put('jobs/broken-off/spec', Buffer.from('x'));
    await process.store.put('models/0123/weights.safetensors', Buffer.from('x'));
    const garbage = [
      `attacks/${failed}/shard-0.bin`,
      `job-shards/${failed}/a-1/task`,
      `job-shards/${succeeded}/a-1/task`,
      `jobs/${failed}/checkpoint`,
      `jobs/${succeeded}/checkpoint`,
      'reports/nobody/files/report.json',
    ].sort();
    const young = await collectGarbage(process.repository, { dryRun: false });
    expect(young.keys).toEqual([]);
    const told = await collectGarbage(process.repository, { dryRun: true, graceMs: -60_000 });
    expect([...told.keys].sort()).toEqual(garbage);
    const before = await allKeys();
    const removed = await collectGarbage(process.repository, { dryRun: false, graceMs: -60_000 });
    expect([...removed.keys].sort()).toEqual(garbage);
    expect(removed).toMatchObject({ objects: 6, bytes: 6 });
    expect(await allKeys()).toEqual(before.filter((key) => !garbage.includes(key)));
    for (const id of [queued, running, succeeded]) {
      expect(await allKeys()).toContain(`attacks/${id}/shard-0.bin`);
    }
  });

  test('is looked for page by page: no page looks into more folders of jobs than asked, and together they find all', async () => {
    const keys: string[] = [];
    for (const folder of ['reports', 'attacks', 'job-shards']) {
      for (let n = 0; n < 3; n++) keys.push(`${folder}/paged-${n}/part`);
    }
    for (const key of keys) await process.store.put(key, Buffer.from('x'));
    const list = vi.spyOn(process.store, 'list');
    const stat = vi.spyOn(process.store, 'stat');
    onTestFinished(() => {
      list.mockRestore();
      stat.mockRestore();
    });
    const found: string[] = [];
    let pages = 0;
    for (let pageToken: string | undefined; pageToken !== ''; pages++) {
      list.mockClear();
      stat.mockClear();
      const page = await collectGarbage(process.repository, {
        dryRun: false,
        graceMs: -60_000,
        pageFolders: 2,
        ...(pageToken === undefined ? {} : { pageToken }),
      });
      expect(list.mock.calls.length + stat.mock.calls.length).toBeLessThanOrEqual(2);
      found.push(...page.keys);
      pageToken = page.nextPageToken;
    }
    expect(pages).toBeGreaterThan(4);
    expect(found.filter((key) => key.includes('paged')).sort()).toEqual(keys.sort());
  });

  test.each(['x', Buffer.from('models/0123').toString('base64url'), Buffer.from('attacks/../x').toString('base64url')])(
    'is not looked for from page token %s',
    async (pageToken) => {
      await expect(collectGarbage(process.repository, { dryRun: true, pageToken })).rejects.toThrow(
        InvalidPageTokenError,
      );
    },
  );

  test('is never what belongs to a job whose record cannot be read', async () => {
    await process.store.put('jobs/unreadable/record.json', Buffer.from('{'));
    await process.store.put('jobs/unreadable/checkpoint', Buffer.from('x'));
    await process.store.put('attacks/unreadable/shard-0.bin', Buffer.from('x'));
    await collectGarbage(process.repository, { dryRun: false, graceMs: -60_000 });
    expect(await allKeys()).toEqual(
      expect.arrayContaining(['jobs/unreadable/checkpoint', 'attacks/unreadable/shard-0.bin']),
    );
  });

  test('is left where it is by a collection that was stopped', async () => {
    await process.store.put('reports/stopped/files/report.json', Buffer.from('x'));
    const collecting = collectGarbage(process.repository, {
      dryRun: false,
      graceMs: -60_000,
      signal: AbortSignal.abort(new Error('stopped')),
    });
    await expect(collecting).rejects.toThrow('stopped');
    expect(await allKeys()).toContain('reports/stopped/files/report.json');
  });

  async function allKeys(): Promise<string[]> {
    const keys: string[] = [];
    for await (const { key } of process.store.list('')) {
      keys.push(key);
    }
    return keys;
  }
});
