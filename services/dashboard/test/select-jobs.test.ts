import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultJobSelection, jobFraction, jobSortKeys, selectJobs } from '../src/select-jobs.js';
import type { JobState, JobView } from '../src/views.js';

const states: readonly JobState[] = ['queued', 'running', 'succeeded', 'failed', 'cancelled'];

function job(changes: Partial<JobView>): JobView {
  return {
    id: 'a',
    kind: 'training',
    state: 'running',
    models: [],
    dataset: '',
    recipe: '',
    createdAt: 0,
    startedAt: null,
    finishedAt: null,
    progress: null,
    worker: '',
    attempt: 1,
    error: '',
    reportId: '',
    modelId: '',
    cancelRequested: false,
    ...changes,
  };
}

const anyJob = fc
  .record({
    id: fc.string({ minLength: 1, maxLength: 6 }),
    state: fc.constantFrom(...states),
    createdAt: fc.option(fc.integer({ min: 0, max: 9 })),
    startedAt: fc.option(fc.integer({ min: 0, max: 9 })),
    models: fc.array(fc.string({ maxLength: 3 }), { maxLength: 2 }),
  })
  .map(job);

describe('selectJobs', () => {
  it('keeps what matches every word, in whatever field each stands', () => {
    const jobs = [
      job({ id: '1', models: ['pgd-mnist'], dataset: 'mnist-sample' }),
      job({ id: '2', models: ['pgd-cifar'], dataset: 'cifar10' }),
    ];
    const ids = (text: string): string[] =>
      selectJobs(jobs, { ...defaultJobSelection, text }, 0).map((found) => found.id);
    expect(ids('PGD cifar10')).toEqual(['2']);
    expect(ids('pgd')).toEqual(['1', '2']);
    expect(ids('pgd trades')).toEqual([]);
  });

  it('keeps only the chosen states and kinds', () => {
    const jobs = [
      job({ id: '1', state: 'queued' }),
      job({ id: '2', state: 'failed' }),
      job({ id: '3', state: 'failed', kind: 'attack' }),
    ];
    const found = selectJobs(jobs, { ...defaultJobSelection, states: ['failed'], kinds: ['attack'] }, 0);
    expect(found.map((each) => each.id)).toEqual(['3']);
  });

  it('puts jobs without a value in the sorted column last in both directions', () => {
    const jobs = [job({ id: '1' }), job({ id: '2', startedAt: 5 }), job({ id: '3', startedAt: 9 })];
    const order = (descending: boolean): string[] =>
      selectJobs(jobs, { ...defaultJobSelection, sort: 'started', descending }, 10).map((each) => each.id);
    expect(order(false)).toEqual(['2', '3', '1']);
    expect(order(true)).toEqual(['3', '2', '1']);
  });

  it('does not depend on the order of its input', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyJob, { selector: (each) => each.id }),
        fc.constantFrom(...jobSortKeys),
        fc.boolean(),
        (jobs, sort, descending) => {
          const selection = { ...defaultJobSelection, sort, descending };
          const reversed = [...jobs].reverse();
          expect(selectJobs(reversed, selection, 10)).toEqual(selectJobs(jobs, selection, 10));
        },
      ),
      { seed: 7 },
    );
  });
});

describe('jobFraction', () => {
  it.each([
    ['a succeeded job without progress is whole', job({ state: 'succeeded' }), 1],
    ['a queued job is not known', job({ state: 'queued' }), null],
    [
      'a total of zero is not known',
      job({ progress: { done: 0, total: 0, unit: '', message: '', etaSeconds: null } }),
      null,
    ],
    ['a half is a half', job({ progress: { done: 2, total: 4, unit: '', message: '', etaSeconds: null } }), 0.5],
    ['more than all is all', job({ progress: { done: 9, total: 4, unit: '', message: '', etaSeconds: null } }), 1],
  ])('%s', (_, given, expected) => {
    expect(jobFraction(given)).toBe(expected);
  });
});
