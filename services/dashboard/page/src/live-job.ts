import { useEffect, useRef, useState } from 'preact/hooks';
import type { JobBatchView, JobEventView } from '../../src/views.js';
import { type ConnectionState, openConnection } from './event-connection.js';
import { addEvents, emptyHistory, type JobHistory } from './job-history.js';

/** A job's events so far, and how it stands with their source. */
export interface LiveJob {
  readonly history: JobHistory;
  readonly connection: ConnectionState;
  readonly ended: boolean;
  readonly trouble: string;
}

const start: LiveJob = { history: emptyHistory, connection: 'connecting', ended: false, trouble: '' };

/** Follows one job's events, all from its first one on; what arrives between two frames is drawn once. */
export function useLiveJob(id: string): LiveJob {
  const [live, setLive] = useState(start);
  const waiting = useRef<JobEventView[]>([]);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    waiting.current = [];
    setLive(start);
    const draw = (): void => {
      timer = undefined;
      const events = waiting.current;
      waiting.current = [];
      setLive((old) => ({ ...old, history: addEvents(old.history, events) }));
    };
    const close = openConnection(`/events?job=${encodeURIComponent(id)}`, {
      onState: (connection) => setLive((old) => ({ ...old, connection })),
      events: {
        batch: (data) => {
          waiting.current.push(...(data as JobBatchView).events);
          timer ??= setTimeout(draw, 50);
        },
        end: () => setLive((old) => ({ ...old, ended: true, trouble: '' })),
        failure: (data) => setLive((old) => ({ ...old, ended: true, trouble: (data as { message: string }).message })),
        source: (data) => setLive((old) => ({ ...old, trouble: (data as { message: string }).message })),
      },
    });
    return () => {
      close();
      clearTimeout(timer);
    };
  }, [id]);
  return live;
}
