import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { JobPage } from './job-page.js';
import { JobsPage } from './jobs-page.js';
import { LibraryPage } from './library-page.js';
import { type LiveJobs, useLiveJobs } from './live-jobs.js';
import { ModelPage, ModelsPage } from './models-page.js';
import { OverviewStrip } from './overview-strip.js';
import { EmptyState } from './parts.js';
import { ReportPage, ReportsPage } from './report-page.js';
import { linkTo, type Route, useRoute } from './route.js';

const sections: readonly (readonly [string, string])[] = [
  ['jobs', 'Jobs'],
  ['models', 'Models'],
  ['reports', 'Reports'],
  ['library', 'Recipes & data'],
];

function View({ route, live }: { readonly route: Route; readonly live: LiveJobs }): JSX.Element {
  const [section, id] = route.parts;
  const jobs = [...(live.jobs?.values() ?? [])];
  if (section === 'jobs') {
    if (id === undefined) return <JobsPage live={live} route={route} />;
    return <JobPage key={id} id={id} listed={live.jobs?.get(id)} />;
  }
  if (section === 'models') {
    if (id !== undefined) return <ModelPage key={id} id={id} />;
    return <ModelsPage version={jobs.filter((job) => job.state === 'succeeded').length} />;
  }
  if (section === 'reports') return id === undefined ? <ReportsPage jobs={jobs} /> : <ReportPage key={id} id={id} />;
  if (section === 'library') return <LibraryPage />;
  return (
    <EmptyState title="There is no such page">
      <p>
        <a href={linkTo(['jobs'])}>All jobs</a>
      </p>
    </EmptyState>
  );
}

/** The whole page: navigation, the strip of numbers, and the view that the address names. */
export function App(): JSX.Element {
  const route = useRoute();
  const live = useLiveJobs();
  const main = useRef<HTMLElement>(null);
  const path = route.parts.join('/');
  const first = useRef(path);
  useEffect(() => {
    const title = sections.find(([name]) => name === path.split('/')[0])?.[1] ?? 'Percept';
    document.title = `${path.split('/')[1] ?? title} · Percept`;
    if (first.current === path) return;
    first.current = '';
    main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [path]);
  const down = live.services.filter((service) => !service.serving);
  return (
    <>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to content
      </button>
      <header class="top">
        <a class="brand" href={linkTo(['jobs'])}>
          <img src="/favicon.svg" width="24" height="24" alt="" /> Percept
        </a>
        <nav aria-label="Sections">
          {sections.map(([name, title]) => (
            <a key={name} href={linkTo([name])} aria-current={route.parts[0] === name ? 'page' : undefined}>
              {title}
            </a>
          ))}
        </nav>
      </header>
      {live.connection === 'lost' && (
        <div class="banner" role="status">
          Connection lost. What you see may be old; reconnecting …
        </div>
      )}
      {live.connection === 'open' && down.length > 0 && (
        <div class="banner" role="status">
          {down.map((service) => service.name).join(', ')} does not answer; trying again …
        </div>
      )}
      <OverviewStrip live={live} />
      <main ref={main} id="main" tabIndex={-1}>
        <View route={route} live={live} />
      </main>
    </>
  );
}
