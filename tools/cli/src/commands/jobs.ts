import {
  type DeadLetter,
  type Job,
  JobState,
  type JobsService,
  PerceptRpcError,
  type ServiceCalls,
} from '@percept/contracts';
import type { Command } from 'commander';
import { namingFlags } from '../exit-code.js';
import { followJob } from '../follow-job.js';
import { parseCount, print, withClient, withClientOptions } from '../global-options.js';
import type { PerceptClient } from '../percept-client.js';
import { ProgressDisplay } from '../progress-display.js';
import { formatTable } from '../table.js';

const stateName = (state: JobState): string =>
  Object.entries(JobState).find(([, value]) => value === state)?.[0] ?? String(state);

/** `percept jobs list | show | watch | cancel | dead | requeue`. */
export function addJobs(program: Command): void {
  const jobs = program.command('jobs').description('jobs');
  withClientOptions(jobs.command('list').description('list the jobs, newest first')).action(async (options) => {
    await withClient(options, async ({ allJobs }) => {
      const found: Job[] = [];
      for (const calls of allJobs) {
        const { jobs: page } = await calls.list({ kinds: [], states: [], pageSize: 1_000, pageToken: '' });
        found.push(...page);
      }
      found.sort((a, b) => (b.createTime?.getTime() ?? 0) - (a.createTime?.getTime() ?? 0));
      print(options, found, () =>
        formatTable(
          ['id', 'kind', 'state', 'done', 'now'],
          found.map((job) => [
            job.id,
            job.kind,
            stateName(job.state),
            `${Math.floor((job.progress?.fraction ?? 0) * 100)} %`,
            job.error?.message ?? job.progress?.message ?? '',
          ]),
        ),
      );
    });
  });
  withClientOptions(jobs.command('show <job>').description('describe one job')).action(
    async (jobId: string, options) => {
      await withClient(options, async (client) => {
        const { job } = await findOwner(client, jobId);
        print(options, job, () => JSON.stringify(job, null, 2));
      });
    },
  );
  withClientOptions(jobs.command('watch <job>').description('follow a job to its end')).action(
    async (jobId: string, options) => {
      await withClient(options, async (client, signal) => {
        const { calls, job } = await findOwner(client, jobId);
        const display = new ProgressDisplay();
        const ended = await followJob(calls, jobId, job.kind, display, signal).finally(() => display.finish());
        print(options, ended, () => `${ended.id} ${stateName(ended.state)}`);
      });
    },
  );
  withClientOptions(jobs.command('cancel <job>').description('cancel a job')).action(async (jobId: string, options) => {
    await withClient(options, async (client) => {
      const { calls } = await findOwner(client, jobId);
      const { job } = await calls.cancel({ jobId, requestId: '' });
      print(options, job, () => `${jobId} ${job ? stateName(job.state) : ''}`);
    });
  });
  withClientOptions(jobs.command('dead').description('list the work that was given up, with the reasons')).action(
    async (options) => {
      await withClient(options, async (client) => {
        const letters = new Map<number, DeadLetter>();
        for (const calls of client.allJobs) {
          for (const letter of (await calls.listDeadLetters({})).letters) letters.set(letter.sequence, letter);
        }
        print(options, [...letters.values()], () =>
          formatTable(
            ['letter', 'kind', 'id', 'deliveries', 'reason'],
            [...letters.values()].map(({ sequence, kind, id, deliveries, reason }) => [
              String(sequence),
              kind,
              id,
              String(deliveries),
              reason,
            ]),
          ),
        );
      });
    },
  );
  withClientOptions(jobs.command('requeue <letter>').description('queue work that was given up again')).action(
    async (letter: string, options) => {
      await withClient(options, async (client) => {
        const answer = await namingFlags(
          { sequence: '<letter>' },
          client.jobs('training').requeueDeadLetter({ sequence: parseCount(letter) }),
        );
        print(options, answer.letter, () => `${answer.letter?.id ?? ''} is queued again`);
      });
    },
  );
}

async function findOwner(
  client: PerceptClient,
  jobId: string,
): Promise<{ calls: ServiceCalls<typeof JobsService>; job: Job }> {
  let last: unknown;
  for (const calls of client.allJobs) {
    try {
      const { job } = await namingFlags({ job_id: '<job>' }, calls.get({ jobId }));
      if (job) return { calls, job };
    } catch (error) {
      if (!(error instanceof PerceptRpcError) || error.code !== 'NOT_FOUND') throw error;
      last = error;
    }
  }
  throw last;
}
