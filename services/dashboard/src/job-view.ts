import { type Job, JobSpec, JobState, type ModelReference } from '@percept/contracts';
import type { ArtifactView, JobDetailView, JobState as JobStateView, JobView, ProgressView } from './views.js';

const states: Readonly<Record<number, JobStateView>> = {
  [JobState.QUEUED]: 'queued',
  [JobState.RUNNING]: 'running',
  [JobState.SUCCEEDED]: 'succeeded',
  [JobState.FAILED]: 'failed',
  [JobState.CANCELLED]: 'cancelled',
};

/** Names a job's state; one that this version does not know counts as queued. */
export function stateView(state: JobState): JobStateView {
  return states[state] ?? 'queued';
}

function modelName(model: ModelReference | undefined): string[] {
  if (model?.reference === undefined) return [];
  return model.reference.$case === 'registered' ? [model.reference.value] : [model.reference.value.name];
}

interface Subject {
  readonly models: readonly string[];
  readonly dataset: string;
  readonly recipe: string;
}

function subjectOf(spec: JobSpec | undefined): Subject {
  const of = (models: readonly string[], dataset: string | undefined, recipe = ''): Subject => ({
    models,
    dataset: dataset ?? '',
    recipe,
  });
  switch (spec?.spec?.$case) {
    case 'training': {
      const { recipe, dataset, registerAs } = spec.spec.value;
      return of([registerAs || recipe], dataset, recipe);
    }
    case 'attack': {
      const { model, images } = spec.spec.value;
      return of(modelName(model), images?.source?.$case === 'samples' ? images.source.value.dataset : '');
    }
    case 'profile':
    case 'smoothness':
    case 'recognizability':
      return of(modelName(spec.spec.value.model), spec.spec.value.samples?.dataset);
    case 'report': {
      const { models, samples } = spec.spec.value;
      const names = models.flatMap((each) => (each.displayName ? [each.displayName] : modelName(each.model)));
      return of(names, samples?.dataset);
    }
    default:
      return of([], '');
  }
}

/** Shows how far a job is; null where nothing is known yet. */
export function progressView(progress: Job['progress']): ProgressView | null {
  if (progress === undefined) return null;
  const counted = progress.total > 0;
  return {
    done: counted ? progress.done : progress.fraction,
    total: counted ? progress.total : 1,
    unit: progress.unit,
    message: progress.message,
    etaSeconds: progress.etaSeconds ?? null,
  };
}

/** Shows a job as a row of the table. */
export function jobView(job: Job): JobView {
  const result = job.result?.result;
  return {
    id: job.id,
    kind: job.kind,
    state: stateView(job.state),
    ...subjectOf(job.spec),
    createdAt: job.createTime?.getTime() ?? null,
    startedAt: job.startTime?.getTime() ?? null,
    finishedAt: job.endTime?.getTime() ?? null,
    progress: progressView(job.progress),
    worker: job.worker,
    attempt: job.attempt,
    error: job.error === undefined ? '' : job.error.message || job.error.code,
    reportId: result?.$case === 'report' ? result.value.reportId : '',
    modelId: result?.$case === 'model' ? result.value.modelId : '',
    cancelRequested: job.cancelRequested,
  };
}

/** The address on this server of a report's file. */
export function reportFileAddress(reportId: string, name: string): string {
  return `/api/reports/${encodeURIComponent(reportId)}/files/${name.split('/').map(encodeURIComponent).join('/')}`;
}

/** The address on this server of a model's weights. */
export function weightsAddress(modelId: string): string {
  return `/api/models/${encodeURIComponent(modelId)}/files/weights.safetensors`;
}

function artifactsOf(job: Job): ArtifactView[] {
  const result = job.result?.result;
  if (result?.$case === 'model') {
    return [
      {
        name: 'weights.safetensors',
        href: weightsAddress(result.value.modelId),
        mediaType: 'application/octet-stream',
        bytes: null,
      },
    ];
  }
  if (result?.$case !== 'report') return [];
  return (job.result?.artifacts ?? []).map((artifact) => ({
    name: artifact.name,
    href: reportFileAddress(result.value.reportId, artifact.name),
    mediaType: artifact.mediaType,
    bytes: artifact.sizeBytes,
  }));
}

function specJson(spec: JobSpec | undefined): unknown {
  if (spec?.spec === undefined) return {};
  const json = JobSpec.toJSON(spec);
  const inner = typeof json === 'object' && json !== null ? Object.values(json) : [];
  return inner[0] ?? {};
}

/** Shows a job with its specification, its environment and its files. */
export function jobDetailView(job: Job): JobDetailView {
  return { ...jobView(job), spec: specJson(job.spec), environment: job.environment, artifacts: artifactsOf(job) };
}
