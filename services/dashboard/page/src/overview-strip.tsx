import type { JSX } from 'preact';
import type { JobState, JobView } from '../../src/views.js';
import type { LiveJobs } from './live-jobs.js';
import { linkTo } from './route.js';

function count(jobs: Iterable<JobView>, state: JobState): number {
  let sum = 0;
  for (const job of jobs) if (job.state === state) sum++;
  return sum;
}

/** How many jobs run, wait and are over, who works, and which services answer. */
export function OverviewStrip({ live }: { readonly live: LiveJobs }): JSX.Element {
  const jobs = [...(live.jobs?.values() ?? [])];
  const tiles: readonly (readonly [string, JobState])[] = [
    ['running', 'running'],
    ['queued', 'queued'],
    ['succeeded', 'succeeded'],
    ['failed', 'failed'],
  ];
  const workers = new Set(jobs.filter((job) => job.state === 'running' && job.worker).map((job) => job.worker)).size;
  const declared = live.services.reduce((sum, service) => sum + (service.workers ?? 0), 0);
  const chips = live.services.flatMap((service) => service.name.split(', ').map((name) => ({ ...service, name })));
  return (
    <div class="strip">
      {tiles.map(([label, state]) => (
        <a
          key={label}
          class={`tile ${state} ${count(jobs, state) > 0 ? 'some' : ''}`}
          href={linkTo(['jobs'], new URLSearchParams({ state }))}
        >
          <b>{live.jobs === null ? '–' : count(jobs, state)}</b> {label}
        </a>
      ))}
      <span class="tile">
        <b>{declared > 0 ? `${workers}/${declared}` : workers}</b>{' '}
        {workers === 1 && declared === 0 ? 'worker' : 'workers'} busy
      </span>
      <ul class="services">
        {chips.map((service) => (
          <li
            key={service.name + service.address}
            class={service.serving ? 'up' : 'down'}
            title={service.serving ? service.address : `${service.address}: ${service.message}`}
          >
            {service.name}
            <span class="hidden">{service.serving ? ' answers' : ' does not answer'}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
