import type { JSX } from 'preact';
import type { JobView, ReportView } from '../../src/views.js';
import { useJson } from './api.js';
import { useNow } from './clock.js';
import { formatMoment } from './format.js';
import { Card, Downloads, EmptyState, Failure, Loading } from './parts.js';
import { linkTo } from './route.js';

/** The reports that jobs have left. */
export function ReportsPage({ jobs }: { readonly jobs: readonly JobView[] }): JSX.Element {
  const now = useNow(60_000);
  const withReport = jobs
    .filter((job) => job.reportId !== '' && job.state === 'succeeded')
    .sort((a, b) => (b.finishedAt ?? 0) - (a.finishedAt ?? 0));
  if (withReport.length === 0) {
    return (
      <EmptyState title="No reports yet">
        <p>
          An evaluation writes one: <code>percept evaluate</code> or <code>percept reproduce --preset quickstart</code>
        </p>
      </EmptyState>
    );
  }
  return (
    <ul class="entries">
      {withReport.map((job) => (
        <li key={job.id}>
          <a href={linkTo(['reports', job.reportId])}>
            <b>{job.reportId}</b>
          </a>{' '}
          <span class="muted">{job.finishedAt === null ? '' : formatMoment(job.finishedAt, now)}</span>
          <p>{job.models.join(', ')}</p>
        </li>
      ))}
    </ul>
  );
}

/** One report: its figures, its page and its files. */
export function ReportPage({ id }: { readonly id: string }): JSX.Element {
  const loaded = useJson<ReportView>(`/api/reports/${encodeURIComponent(id)}`);
  if (loaded.kind === 'loading') return <Loading />;
  if (loaded.kind === 'failed') return <Failure error={loaded.error} />;
  const { artifacts, report } = loaded.value;
  const figures = artifacts.filter((artifact) => artifact.mediaType === 'image/svg+xml');
  const page = artifacts.find((artifact) => artifact.mediaType.startsWith('text/html'));
  return (
    <>
      <div class="job-head">
        <h1>
          <span>Report</span> {id}
        </h1>
        {page && (
          <a class="button" href={page.href} target="_blank" rel="noreferrer">
            Open the full page
          </a>
        )}
      </div>
      {figures.map((figure) => (
        <Card key={figure.name} title={figure.name.replace(/^.*\//, '').replace(/\.svg$/, '')}>
          <a class="figure" href={figure.href} target="_blank" rel="noreferrer">
            <img class="figure-image" src={figure.href} alt={figure.name} />
          </a>
        </Card>
      ))}
      <Card title="Downloads">
        <Downloads artifacts={artifacts} />
      </Card>
      <Card title="Canonical report">
        <details>
          <summary>report.json</summary>
          <pre class="json">{JSON.stringify(report, null, 2)}</pre>
        </details>
      </Card>
    </>
  );
}
