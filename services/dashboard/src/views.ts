/** What a job is doing. */
export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** Work done so far, in `unit`s, with the time left in seconds where it is known. */
export interface ProgressView {
  readonly done: number;
  readonly total: number;
  readonly unit: string;
  readonly message: string;
  readonly etaSeconds: number | null;
}

/** One job as the page shows it; times are milliseconds since 1970. */
export interface JobView {
  readonly id: string;
  readonly kind: string;
  readonly state: JobState;
  readonly models: readonly string[];
  readonly dataset: string;
  readonly recipe: string;
  readonly createdAt: number | null;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  readonly progress: ProgressView | null;
  readonly worker: string;
  readonly attempt: number;
  readonly error: string;
  readonly reportId: string;
  readonly modelId: string;
  readonly cancelRequested: boolean;
}

/** A job with everything that its page needs. */
export interface JobDetailView extends JobView {
  readonly spec: unknown;
  readonly environment: Readonly<Record<string, string>>;
  readonly artifacts: readonly ArtifactView[];
}

/** A file that a job or a report left behind; `href` is on this server. */
export interface ArtifactView {
  readonly name: string;
  readonly href: string;
  readonly mediaType: string;
  readonly bytes: number | null;
}

interface EventBase {
  readonly sequence: number;
  readonly at: number;
}

/** A picture of a gallery: `group` names the row, `slot` the place in it, `href` is a data: address. */
export interface PictureView {
  readonly group: string;
  readonly slot: string;
  readonly caption: string;
  readonly href: string;
  readonly step: number | null;
  readonly success: boolean | null;
}

/** One event of a job, in the order of its sequence numbers. */
export type JobEventView =
  | (EventBase & { readonly kind: 'state'; readonly state: JobState; readonly message: string })
  | (EventBase & { readonly kind: 'progress'; readonly progress: ProgressView })
  | (EventBase & { readonly kind: 'metric'; readonly series: string; readonly step: number; readonly value: number })
  | (EventBase & { readonly kind: 'log'; readonly level: 'info' | 'warning' | 'error'; readonly message: string })
  | (EventBase & {
      readonly kind: 'profile';
      readonly model: string;
      readonly epsilon: number;
      readonly accuracy: number;
      readonly samples: number;
      readonly provisional: boolean;
    })
  | (EventBase & { readonly kind: 'picture'; readonly picture: PictureView });

/** What one Server-Sent Event of `/events?job=ID` carries. */
export interface JobBatchView {
  readonly events: readonly JobEventView[];
}

/** What one Server-Sent Event of `/events` carries: a whole new list, or the jobs that changed and those that went. */
export interface JobsChangeView {
  readonly reset: boolean;
  readonly changed: readonly JobView[];
  readonly removed: readonly string[];
}

/** A trained model. */
export interface ModelView {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly digest: string;
  readonly aliases: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
  readonly settings: unknown;
  readonly recipe: string;
  readonly dataset: string;
  readonly architecture: string;
  readonly bytes: number;
  readonly cleanAccuracy: number | null;
  readonly createdAt: number | null;
  readonly jobId: string;
}

/** A training recipe with the parameters that it takes. */
export interface RecipeView {
  readonly name: string;
  readonly summary: string;
  readonly reference: string;
  readonly presets: readonly string[];
}

/** A data set that the Dataset service knows. */
export interface DatasetView {
  readonly name: string;
  readonly summary: string;
  readonly classes: readonly string[];
  readonly shape: string;
  readonly splits: Readonly<Record<string, number>>;
  readonly available: boolean;
}

/** A finished report: its canonical JSON and the files beside it. */
export interface ReportView {
  readonly id: string;
  readonly report: unknown;
  readonly run: unknown;
  readonly artifacts: readonly ArtifactView[];
}

/** Which services answer, as the strip at the top shows it. */
export interface ServiceView {
  readonly name: string;
  readonly address: string;
  readonly serving: boolean;
  readonly message: string;
  readonly workers: number | null;
}

/** The body of every answer that is not a success. */
export interface ErrorView {
  readonly error: { readonly code: string; readonly message: string };
}
