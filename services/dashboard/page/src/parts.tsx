import type { ComponentChildren, JSX } from 'preact';
import { jobFraction } from '../../src/select-jobs.js';
import type { ArtifactView, JobView, ProgressView } from '../../src/views.js';
import type { ApiError } from './api.js';
import { formatBytes, formatPercent, formatSpan } from './format.js';

/** A job's state as a coloured word. */
export function StateChip({ job }: { readonly job: JobView }): JSX.Element {
  const stopping = job.cancelRequested && (job.state === 'running' || job.state === 'queued');
  return <span class={`chip ${stopping ? 'cancelled' : job.state}`}>{stopping ? 'cancelling' : job.state}</span>;
}

/** How far a job is, with the time that is left. */
export function ProgressBar({
  job,
  progress,
}: {
  readonly job: JobView;
  readonly progress?: ProgressView | null;
}): JSX.Element {
  const shown = progress ? { ...job, progress } : job;
  const fraction = jobFraction(shown);
  const eta = shown.state === 'running' ? shown.progress?.etaSeconds : null;
  return (
    <div class={`progress ${job.state}`}>
      <progress max={1} value={fraction ?? 0} aria-label={`progress of ${job.id}`} />
      <span class="muted">
        {fraction === null ? '–' : `${Math.floor(100 * fraction)} %`}
        {typeof eta === 'number' ? `, ${formatSpan(1000 * eta)} left` : ''}
      </span>
    </div>
  );
}

/** What stands where there is nothing yet, with what to do about it. */
export function EmptyState({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ComponentChildren;
}): JSX.Element {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

/** A page's part that could not be loaded. */
export function Failure({ error }: { readonly error: ApiError }): JSX.Element {
  return (
    <div class="notice error" role="alert">
      {error.message}
    </div>
  );
}

/** A placeholder while something loads. */
export function Loading(): JSX.Element {
  return (
    <p class="muted loading" role="status">
      Loading …
    </p>
  );
}

/** A titled box. */
export function Card({
  title,
  aside,
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  readonly children: ComponentChildren;
}): JSX.Element {
  return (
    <section class="card">
      <header>
        <h2>{title}</h2>
        {aside}
      </header>
      {children}
    </section>
  );
}

/** Names with their values. */
export function Facts({ facts }: { readonly facts: readonly (readonly [string, ComponentChildren])[] }): JSX.Element {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Files to take home. */
export function Downloads({ artifacts }: { readonly artifacts: readonly ArtifactView[] }): JSX.Element {
  return (
    <ul class="downloads">
      {artifacts.map((artifact) => (
        <li key={artifact.name}>
          <a href={`${artifact.href}?download`} download>
            {artifact.name}
          </a>
          {artifact.bytes !== null && <span class="muted"> {formatBytes(artifact.bytes)}</span>}
        </li>
      ))}
    </ul>
  );
}

/** A part of one as a small bar with its percentage. */
export function Share({ part }: { readonly part: number | null }): JSX.Element {
  if (part === null) return <span class="muted">–</span>;
  return (
    <span class="share">
      <meter min={0} max={1} value={part} /> {formatPercent(part)}
    </span>
  );
}
