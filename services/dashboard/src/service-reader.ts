import type { JobListing } from './job-feed.js';
import type { DatasetView, JobDetailView, JobEventView, JobView, ModelView, RecipeView, ReportView } from './views.js';

/** A file on its way; `bytes` is null where its size is not known beforehand. */
export interface OpenFile {
  readonly mediaType: string;
  readonly bytes: number | null;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** What the dashboard reads from the services; every call rejects with a gRPC error or an HttpError. */
export interface ServiceReader {
  /** The newest jobs of every service; a service that does not answer is told as such and does not fail the call. */
  listJobs(): Promise<readonly JobListing[]>;
  getJob(id: string): Promise<JobDetailView>;
  cancelJob(id: string): Promise<JobView>;
  /** The job's events after a sequence number, those of one number together, until the job is over. */
  watchJob(id: string, after: number, signal: AbortSignal): AsyncIterable<readonly JobEventView[]>;
  listModels(): Promise<readonly ModelView[]>;
  getModel(name: string): Promise<ModelView>;
  listRecipes(): Promise<readonly RecipeView[]>;
  listDatasets(): Promise<readonly DatasetView[]>;
  getReport(id: string): Promise<ReportView>;
  /** The model's weights as safetensors. */
  openModelWeights(id: string): Promise<OpenFile>;
  openReportFile(id: string, name: string): Promise<OpenFile>;
  close(): void;
}
