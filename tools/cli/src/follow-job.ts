import { setTimeout as delay } from 'node:timers/promises';
import {
  type Job,
  type JobEvent,
  JobState,
  type JobsService,
  PerceptRpcError,
  type ServiceCalls,
} from '@percept/contracts';
import { formatDuration, type ProgressLine } from './progress-display.js';

/** A job ended otherwise than by success. */
export class JobEndedError extends Error {
  readonly job: Job;

  constructor(job: Job) {
    const state = job.state === JobState.CANCELLED ? 'was cancelled' : 'failed';
    super(`job ${job.id} ${state}${job.error ? `: ${job.error.message}` : ''}`);
    this.name = 'JobEndedError';
    this.job = job;
  }
}

/** Where a job's progress is shown. */
export interface ProgressTarget {
  update(key: string, line: ProgressLine): void;
}

/** The services have not answered for too long; the job itself goes on once they are back. */
export class ServicesGoneError extends Error {
  constructor(jobId: string, seconds: number, cause: PerceptRpcError) {
    super(
      `the services have not answered for ${formatDuration(seconds)} (${cause.message}); job ${jobId} goes on when they are started again: percept jobs watch ${jobId}`,
      { cause },
    );
    this.name = 'ServicesGoneError';
  }
}

const defaultPatienceMs = 120_000;
const betweenAttemptsMs = 1_000;

/**
 * Waits for the end of a job, its progress on the display and its events to `onEvent`; connects again when the stream breaks, and says so.
 * @throws JobEndedError, or ServicesGoneError when nothing has answered for `patienceMs`.
 */
export async function followJob(
  jobs: ServiceCalls<typeof JobsService>,
  jobId: string,
  label: string,
  display: ProgressTarget,
  signal: AbortSignal,
  onEvent: (event: JobEvent) => void = () => undefined,
  patienceMs: number = defaultPatienceMs,
): Promise<Job> {
  let after = 0;
  let fraction = 0;
  let answeredAt = performance.now();
  for (;;) {
    try {
      for await (const { event } of jobs.watch({ jobId, afterSequence: after, follow: true }, { signal })) {
        if (event === undefined) continue;
        after = Math.max(after, event.sequence);
        answeredAt = performance.now();
        if (event.event?.$case === 'progress') ({ fraction } = event.event.value);
        show(event, label, jobId, display);
        onEvent(event);
      }
    } catch (error) {
      if (!(error instanceof PerceptRpcError) || error.code !== 'UNAVAILABLE') throw error;
      display.update(jobId, { label, fraction, note: 'the services do not answer, trying again', state: 'waiting' });
      const silentMs = performance.now() - answeredAt;
      if (silentMs >= patienceMs) throw new ServicesGoneError(jobId, silentMs / 1_000, error);
      await delay(Math.min(betweenAttemptsMs, patienceMs - silentMs), undefined, { signal });
      continue;
    }
    answeredAt = performance.now();
    const { job } = await jobs.get({ jobId }, { signal });
    if (job === undefined) throw new TypeError('Jobs.Get answered without a job');
    if (job.state === JobState.SUCCEEDED) {
      display.update(jobId, { label, fraction: 1, note: endNote(job), state: 'done' });
      return job;
    }
    if (job.state === JobState.FAILED || job.state === JobState.CANCELLED) {
      display.update(jobId, {
        label,
        fraction: job.progress?.fraction ?? 0,
        note: job.error?.message ?? 'cancelled',
        state: 'failed',
      });
      throw new JobEndedError(job);
    }
  }
}

function show(event: JobEvent, label: string, jobId: string, display: ProgressTarget): void {
  if (event.event?.$case !== 'progress') return;
  const { fraction, message, etaSeconds } = event.event.value;
  display.update(jobId, {
    label,
    fraction,
    note: message,
    state: 'running',
    ...(etaSeconds === undefined ? {} : { etaSeconds }),
  });
}

function endNote(job: Job): string {
  const result = job.result?.result;
  if (result?.$case === 'model') {
    const accuracy = result.value.metrics['test_accuracy'];
    return `${result.value.modelName}${accuracy === undefined ? '' : `, ${(accuracy * 100).toFixed(1)} % of test images right`}`;
  }
  if (result?.$case === 'attack')
    return `${result.value.summary?.successes} of ${result.value.summary?.images} reached the goal`;
  return 'done';
}
