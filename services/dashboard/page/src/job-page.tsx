import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { jobDuration } from '../../src/select-jobs.js';
import type { JobDetailView, JobView } from '../../src/views.js';
import { ApiError, fetchJson, useJson } from './api.js';
import { Chart } from './chart.js';
import { useNow } from './clock.js';
import { formatMoment, formatPercent, formatShortPercent, formatSpan } from './format.js';
import { Gallery } from './gallery.js';
import type { JobHistory, LogLine } from './job-history.js';
import { jsonFacts } from './json-facts.js';
import { useLiveJob } from './live-job.js';
import { MetricCharts } from './metric-charts.js';
import { Card, Downloads, EmptyState, Facts, Failure, Loading, ProgressBar, StateChip } from './parts.js';
import { linkTo } from './route.js';

function CancelButton({ job }: { readonly job: JobView }): JSX.Element {
  const [phase, setPhase] = useState<'idle' | 'asked' | 'sent'>('idle');
  const [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    if (phase !== 'asked') return undefined;
    const timer = setTimeout(() => setPhase('idle'), 4_000);
    return () => clearTimeout(timer);
  }, [phase]);
  const cancel = async (): Promise<void> => {
    if (phase === 'idle') {
      setPhase('asked');
      return;
    }
    setPhase('sent');
    setError(null);
    try {
      await fetchJson(`/api/jobs/${encodeURIComponent(job.id)}/cancel`, { method: 'POST' });
    } catch (failure) {
      setError(failure instanceof ApiError ? failure : new ApiError(0, String(failure)));
      setPhase('idle');
    }
  };
  const label = { idle: 'Cancel job', asked: 'Really cancel?', sent: 'Cancelling …' }[phase];
  return (
    <>
      <button type="button" class="danger" disabled={phase === 'sent'} onClick={cancel}>
        {label}
      </button>
      {error && <Failure error={error} />}
    </>
  );
}

function LogView({ log, dropped }: { readonly log: readonly LogLine[]; readonly dropped: number }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const follow = useRef(true);
  useEffect(() => {
    const element = box.current;
    if (element && follow.current) element.scrollTop = element.scrollHeight;
  }, [log]);
  if (log.length === 0) return <p class="muted">Nothing was logged.</p>;
  return (
    <section
      ref={box}
      class="log"
      aria-label="Log"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
      tabIndex={0}
      onScroll={(event) => {
        const element = event.currentTarget;
        follow.current = element.scrollHeight - element.scrollTop - element.clientHeight < 24;
      }}
    >
      {dropped > 0 && <div class="muted">{dropped} older lines are not shown</div>}
      {log.map((line) => (
        <div key={line.sequence} class={`log-line ${line.level}`}>
          <time>{new Date(line.at).toLocaleTimeString([], { hour12: false })}</time> {line.message}
        </div>
      ))}
    </section>
  );
}

function ProfileChart({ history }: { readonly history: JobHistory }): JSX.Element | null {
  if (history.profiles.size === 0) return null;
  const open = history.provisional.size;
  const lines = [...history.profiles].map(([name, points]) => ({ name, ...points }));
  return (
    <Card
      title="Robust accuracy"
      aside={open > 0 && <span class="muted">filling in: {open} points may still fall</span>}
    >
      <Chart
        title="Accuracy under attack"
        xLabel="budget ε"
        lines={lines}
        dots
        range={[0, 1]}
        format={formatPercent}
        axisFormat={formatShortPercent}
      />
    </Card>
  );
}

function factsOf(job: JobView, now: number): (readonly [string, JSX.Element | string])[] {
  const duration = jobDuration(job, now);
  const facts: (readonly [string, JSX.Element | string])[] = [['Id', <code key="id">{job.id}</code>]];
  if (job.recipe) facts.push(['Recipe', job.recipe]);
  if (job.dataset) facts.push(['Data set', job.dataset]);
  if (job.createdAt !== null) facts.push(['Submitted', formatMoment(job.createdAt, now)]);
  if (job.startedAt !== null) facts.push(['Started', formatMoment(job.startedAt, now)]);
  if (duration !== null) facts.push(['Duration', formatSpan(duration)]);
  if (job.worker) facts.push(['Worker', job.worker]);
  if (job.attempt > 1) facts.push(['Attempt', String(job.attempt)]);
  return facts;
}

/** One job: what it is, how it goes, what it says, and what it leaves. */
export function JobPage({ id, listed }: { readonly id: string; readonly listed: JobView | undefined }): JSX.Element {
  const now = useNow();
  const live = useLiveJob(id);
  const loaded = useJson<JobDetailView>(`/api/jobs/${encodeURIComponent(id)}`, listed?.state ?? '');
  if (loaded.kind === 'failed' && loaded.error.status === 404) {
    return (
      <EmptyState title="There is no such job">
        <p>
          <a href={linkTo(['jobs'])}>All jobs</a>
        </p>
      </EmptyState>
    );
  }
  if (loaded.kind === 'loading') return <Loading />;
  if (loaded.kind === 'failed') return <Failure error={loaded.error} />;
  const detail = loaded.value;
  const job: JobView = listed ?? detail;
  const { history } = live;
  const spec = jsonFacts(detail.spec);
  const environment = Object.entries(detail.environment);
  const active = job.state === 'running' || job.state === 'queued';
  return (
    <>
      <div class="job-head">
        <h1>
          <span>{job.kind}</span> {job.models.join(', ')}
        </h1>
        <StateChip job={job} />
        {active && !job.cancelRequested && <CancelButton job={job} />}
      </div>
      {live.trouble !== '' && (
        <div class="notice error" role="status">
          {live.trouble}
        </div>
      )}
      {job.error !== '' && (
        <div class="notice error" role="alert">
          {job.error}
        </div>
      )}
      {active && (
        <div class="job-progress">
          <ProgressBar job={job} progress={history.progress} />
          <span class="muted">{history.progress?.message ?? job.progress?.message ?? ''}</span>
        </div>
      )}
      <Facts facts={factsOf(job, now)} />
      <p class="links">
        {job.reportId !== '' && <a href={linkTo(['reports', job.reportId])}>Report</a>}
        {job.modelId !== '' && <a href={linkTo(['models', job.modelId])}>Model</a>}
      </p>
      <MetricCharts metrics={history.metrics} />
      <ProfileChart history={history} />
      {history.pictures.size > 0 && (
        <Card title="Gallery">
          <Gallery pictures={history.pictures} />
        </Card>
      )}
      <Card title="Log">
        <LogView log={history.log} dropped={history.droppedLines} />
      </Card>
      <div class="columns">
        <Card title="Specification">
          {spec.length === 0 ? <p class="muted">Nothing is known.</p> : <Facts facts={spec} />}
        </Card>
        {environment.length > 0 && (
          <Card title="Environment">
            <Facts facts={environment} />
          </Card>
        )}
        {detail.artifacts.length > 0 && (
          <Card title="Downloads">
            <Downloads artifacts={detail.artifacts} />
          </Card>
        )}
      </div>
    </>
  );
}
