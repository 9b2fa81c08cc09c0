import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import {
  defaultJobSelection,
  type JobSelection,
  type JobSortKey,
  jobDuration,
  jobSortKeys,
  selectJobs,
} from '../../src/select-jobs.js';
import type { JobState, JobView } from '../../src/views.js';
import { useNow } from './clock.js';
import { formatMoment, formatSpan } from './format.js';
import type { LiveJobs } from './live-jobs.js';
import { EmptyState, Loading, ProgressBar, StateChip } from './parts.js';
import { linkTo, type Route, replaceQuery } from './route.js';

const states: readonly JobState[] = ['running', 'queued', 'succeeded', 'failed', 'cancelled'];
const pageSize = 50;

interface Column {
  readonly key: JobSortKey | null;
  readonly title: string;
}

const columns: readonly Column[] = [
  { key: 'state', title: 'State' },
  { key: 'kind', title: 'Job' },
  { key: 'model', title: 'Model' },
  { key: 'progress', title: 'Progress' },
  { key: 'started', title: 'Started' },
  { key: 'duration', title: 'Duration' },
];

function selectionOf(query: URLSearchParams): JobSelection {
  const sort = query.get('sort') ?? '-created';
  const key = jobSortKeys.find((known) => known === sort.replace(/^-/, ''));
  return {
    states: states.filter((state) => (query.get('state') ?? '').split(',').includes(state)),
    kinds: (query.get('kind') ?? '').split(',').filter(Boolean),
    text: query.get('text') ?? '',
    sort: key ?? defaultJobSelection.sort,
    descending: sort.startsWith('-'),
  };
}

function HeaderCell({
  column,
  selection,
  route,
}: {
  column: Column;
  selection: JobSelection;
  route: Route;
}): JSX.Element {
  const active = column.key !== null && column.key === selection.sort;
  const direction = selection.descending ? 'descending' : 'ascending';
  const next = active && !selection.descending ? `-${column.key}` : (column.key ?? '');
  return (
    <th scope="col" aria-sort={active ? direction : 'none'}>
      <button type="button" onClick={() => replaceQuery(route, { sort: next, page: '' })}>
        {column.title} <span aria-hidden="true">{active ? (selection.descending ? '↓' : '↑') : ''}</span>
      </button>
    </th>
  );
}

function JobRow({ job, now }: { readonly job: JobView; readonly now: number }): JSX.Element {
  const duration = jobDuration(job, now);
  const models = job.models.join(', ');
  return (
    <tr>
      <td class="cell-state">
        <StateChip job={job} />
      </td>
      <td class="cell-job">
        <a href={linkTo(['jobs', job.id])} title={job.id}>
          <b>{job.kind}</b> <code>{job.id.slice(-12)}</code>
        </a>
      </td>
      <td class="cell-model" title={models}>
        {models || job.recipe || '–'}
        {job.dataset !== '' && <span class="muted"> on {job.dataset}</span>}
      </td>
      <td class="cell-progress">
        <ProgressBar job={job} />
      </td>
      <td class="cell-started">{job.startedAt === null ? '–' : formatMoment(job.startedAt, now)}</td>
      <td class="cell-duration">{duration === null ? '–' : formatSpan(duration)}</td>
    </tr>
  );
}

/** The table of all jobs; its filter and order stand in the address. */
export function JobsPage({ live, route }: { readonly live: LiveJobs; readonly route: Route }): JSX.Element {
  const now = useNow();
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const typing = event.target instanceof HTMLElement && /INPUT|TEXTAREA|SELECT/.test(event.target.tagName);
      if (event.key !== '/' || typing || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      search.current?.focus();
    };
    addEventListener('keydown', focus);
    return () => removeEventListener('keydown', focus);
  }, []);
  if (live.jobs === null) return <Loading />;
  const all = [...live.jobs.values()];
  if (all.length === 0) {
    return (
      <EmptyState title="No jobs yet">
        <p>
          Start one in a terminal, and it shows up here: <code>percept train --recipe pgd --dataset mnist-sample</code>
        </p>
        <p>
          Or run the whole experiment: <code>percept reproduce --preset quickstart</code>
        </p>
      </EmptyState>
    );
  }
  const selection = selectionOf(route.query);
  const kinds = [...new Set(all.map((job) => job.kind))].sort();
  const selected = selectJobs(all, selection, now);
  const pages = Math.max(1, Math.ceil(selected.length / pageSize));
  const page = Math.min(pages, Math.max(1, Number(route.query.get('page')) || 1));
  const toggle = (state: JobState): void => {
    const chosen = selection.states.includes(state)
      ? selection.states.filter((other) => other !== state)
      : [...selection.states, state];
    replaceQuery(route, { state: chosen.join(','), page: '' });
  };
  return (
    <>
      <div class="filters">
        <input
          ref={search}
          type="search"
          placeholder="Filter by id, model, data set …  ( / )"
          aria-label="Filter jobs"
          value={selection.text}
          onInput={(event) => replaceQuery(route, { text: event.currentTarget.value, page: '' })}
        />
        <select
          aria-label="Kind of job"
          value={selection.kinds[0] ?? ''}
          onChange={(event) => replaceQuery(route, { kind: event.currentTarget.value, page: '' })}
        >
          <option value="">all kinds</option>
          {kinds.map((kind) => (
            <option key={kind} value={kind}>
              {kind}
            </option>
          ))}
        </select>
        <fieldset class="states">
          <legend class="hidden">States</legend>
          {states.map((state) => (
            <button
              key={state}
              type="button"
              class={`toggle ${state}`}
              aria-pressed={selection.states.includes(state)}
              onClick={() => toggle(state)}
            >
              {state}
            </button>
          ))}
        </fieldset>
      </div>
      {selected.length === 0 ? (
        <EmptyState title="No job matches the filter">
          <button type="button" onClick={() => replaceQuery(route, { text: '', kind: '', state: '', page: '' })}>
            Show all {all.length} jobs
          </button>
        </EmptyState>
      ) : (
        <table class="jobs">
          <thead>
            <tr>
              {columns.map((column) => (
                <HeaderCell key={column.title} column={column} selection={selection} route={route} />
              ))}
            </tr>
          </thead>
          <tbody>
            {selected.slice((page - 1) * pageSize, page * pageSize).map((job) => (
              <JobRow key={job.id} job={job} now={now} />
            ))}
          </tbody>
        </table>
      )}
      {pages > 1 && (
        <nav class="pager" aria-label="Pages">
          <button type="button" disabled={page === 1} onClick={() => replaceQuery(route, { page: String(page - 1) })}>
            Newer
          </button>
          <span class="muted">
            page {page} of {pages}, {selected.length} jobs
          </span>
          <button
            type="button"
            disabled={page === pages}
            onClick={() => replaceQuery(route, { page: String(page + 1) })}
          >
            Older
          </button>
        </nav>
      )}
    </>
  );
}
