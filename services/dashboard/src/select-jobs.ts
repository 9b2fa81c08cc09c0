import type { JobState, JobView } from './views.js';

/** The columns that jobs can be sorted by. */
export const jobSortKeys = ['created', 'started', 'duration', 'state', 'kind', 'model', 'progress'] as const;

export type JobSortKey = (typeof jobSortKeys)[number];

/** Which jobs to show, in which order; empty lists and texts restrict nothing. */
export interface JobSelection {
  readonly states: readonly JobState[];
  readonly kinds: readonly string[];
  readonly text: string;
  readonly sort: JobSortKey;
  readonly descending: boolean;
}

export const defaultJobSelection: JobSelection = {
  states: [],
  kinds: [],
  text: '',
  sort: 'created',
  descending: true,
};

const stateOrder: Readonly<Record<JobState, number>> = { running: 0, queued: 1, failed: 2, cancelled: 3, succeeded: 4 };

/** Says how long a job has run, in milliseconds; null before it starts. */
export function jobDuration(job: JobView, now: number): number | null {
  if (job.startedAt === null) return null;
  return Math.max(0, (job.finishedAt ?? now) - job.startedAt);
}

/** Says which part of a job is done, in [0, 1]; null while it is not known. */
export function jobFraction(job: JobView): number | null {
  if (job.state === 'succeeded') return 1;
  if (job.progress === null || !(job.progress.total > 0)) return null;
  return Math.min(1, Math.max(0, job.progress.done / job.progress.total));
}

function sortValue(job: JobView, key: JobSortKey, now: number): number | string | null {
  switch (key) {
    case 'created':
      return job.createdAt;
    case 'started':
      return job.startedAt;
    case 'duration':
      return jobDuration(job, now);
    case 'state':
      return stateOrder[job.state];
    case 'kind':
      return job.kind;
    case 'model':
      return job.models.join(' ') || null;
    case 'progress':
      return jobFraction(job);
  }
}

function compareValues(a: number | string, b: number | string): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b));
}

/** Returns the jobs that match, in order; what has no value in the sorted column comes last in both directions. */
export function selectJobs(jobs: readonly JobView[], selection: JobSelection, now: number): JobView[] {
  const words = selection.text.toLowerCase().split(/\s+/).filter(Boolean);
  const kept = jobs.filter((job) => {
    if (selection.states.length > 0 && !selection.states.includes(job.state)) return false;
    if (selection.kinds.length > 0 && !selection.kinds.includes(job.kind)) return false;
    const text = [job.id, job.kind, job.recipe, job.dataset, ...job.models].join(' ').toLowerCase();
    return words.every((word) => text.includes(word));
  });
  return kept.sort((a, b) => {
    const left = sortValue(a, selection.sort, now);
    const right = sortValue(b, selection.sort, now);
    if (left === null || right === null) {
      if (left !== right) return left === null ? 1 : -1;
    } else {
      const order = compareValues(left, right);
      if (order !== 0) return selection.descending ? -order : order;
    }
    return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
  });
}
