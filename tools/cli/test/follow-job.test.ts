import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { createClient, JobsService } from '@percept/contracts';
import { describe, expect, it } from 'vitest';
import { followJob, ServicesGoneError } from '../src/follow-job.js';
import type { ProgressLine } from '../src/progress-display.js';

/** An address at which nobody listens any more. */
async function deadAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

describe('following a job whose services are gone', () => {
  it('says that it tries again, then ends naming the job and how to go on', async () => {
    const jobs = createClient(JobsService, await deadAddress());
    const lines: ProgressLine[] = [];
    const display = { update: (_key: string, line: ProgressLine) => lines.push(line) };
    try {
      const following = followJob(jobs, 'training-1', 'pgd', display, new AbortController().signal, undefined, 50);
      await expect(following).rejects.toThrow(ServicesGoneError);
      await expect(following).rejects.toThrow(/job training-1 goes on .* percept jobs watch training-1/);
    } finally {
      jobs.close();
    }
    expect(lines.at(0)).toMatchObject({
      label: 'pgd',
      state: 'waiting',
      note: expect.stringContaining('do not answer'),
    });
  });

  it('stops at once when it is aborted', async () => {
    const jobs = createClient(JobsService, await deadAddress());
    const controller = new AbortController();
    const display = { update: () => controller.abort(new Error('enough')) };
    try {
      await expect(followJob(jobs, 'training-1', 'pgd', display, controller.signal)).rejects.toThrow();
    } finally {
      jobs.close();
    }
    expect(controller.signal.aborted).toBe(true);
  });
});
