import { useEffect, useState } from 'preact/hooks';
import type { JobsChangeView, JobView, ServiceView } from '../../src/views.js';
import { type ConnectionState, openConnection } from './event-connection.js';

/** All jobs and services as the server last told them; `jobs` is null until the first answer. */
export interface LiveJobs {
  readonly jobs: ReadonlyMap<string, JobView> | null;
  readonly services: readonly ServiceView[];
  readonly connection: ConnectionState;
}

function apply(jobs: ReadonlyMap<string, JobView> | null, change: JobsChangeView): ReadonlyMap<string, JobView> {
  const next = new Map(change.reset ? [] : jobs);
  for (const job of change.changed) next.set(job.id, job);
  for (const id of change.removed) next.delete(id);
  return next;
}

/** Follows all jobs for as long as the component lives. */
export function useLiveJobs(): LiveJobs {
  const [live, setLive] = useState<LiveJobs>({ jobs: null, services: [], connection: 'connecting' });
  useEffect(
    () =>
      openConnection('/events', {
        onState: (connection) => setLive((old) => ({ ...old, connection })),
        events: {
          jobs: (data) => setLive((old) => ({ ...old, jobs: apply(old.jobs, data as JobsChangeView) })),
          services: (data) => setLive((old) => ({ ...old, services: data as readonly ServiceView[] })),
        },
      }),
    [],
  );
  return live;
}
