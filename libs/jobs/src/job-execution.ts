import { type Bus, BusUnavailableError, type WorkVerdict } from '@percept/bus';
import { StoreFullError, StoreUnavailableError } from '@percept/store';
import { JobCancelledError, JobFailedError, JobHandedBackError, JobLostError, JobRetryError } from './errors.js';
import { FencedObject } from './fenced-object.js';
import { decodeJobEvents, encodeJobEvents, eventSequence, type JobEvent, publishJobEvent } from './job-event.js';
import { JobEventLog } from './job-event-log.js';
import type { JobContext, JobHandler } from './job-handler.js';
import { checkpointKey, eventsKey } from './job-keys.js';
import { publishState } from './job-queue.js';
import type { JobError, JobProgress, JobRecord } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import type { JsonObject } from './json.js';
import { RateEstimator } from './rate-estimator.js';

export interface ExecutionOptions {
  readonly repository: JobRepository;
  readonly bus: Bus;
  readonly leaseMs: number;
  readonly maxSetbacks: number;
  readonly onError: (error: unknown) => void;
}

const PULSE_MS = 500;
const PROGRESS_EVENT_MS = 200;
const PROGRESS_RECORD_MS = 1_000;
const EVENT_LOG_MS = 5_000;
const COMMIT_RETRY_MS = 1_000;

const RESOURCE_EXHAUSTED = 8;
const INTERNAL = 13;
const UNAVAILABLE = 14;

/** One attempt at one job by this worker: from the RUNNING record to the committed end. */
export class JobExecution {
  readonly #options: ExecutionOptions;
  readonly #record: JobRecord;
  readonly #controller = new AbortController();
  readonly #rate = new RateEstimator();
  readonly #checkpoint: FencedObject;
  readonly #storedEvents: FencedObject;
  #log = new JobEventLog();
  #eventNumber = 0;
  #publishing: Promise<void> = Promise.resolve();
  #progress: JobProgress | undefined;
  #progressTimer: NodeJS.Timeout | undefined;
  #progressSentAt = Number.NEGATIVE_INFINITY;
  #progressStored = true;
  #logStored = true;
  #logStoredAt = performance.now();
  #recordWrittenAt = performance.now();
  #hasNewCheckpoint = false;
  #pulsing: Promise<void> | undefined;

  constructor(record: JobRecord, options: ExecutionOptions) {
    this.#record = record;
    this.#options = options;
    const { store } = options.repository;
    this.#checkpoint = new FencedObject(store, checkpointKey(record.id), () => this.#checkOwner());
    this.#storedEvents = new FencedObject(store, eventsKey(record.id), () => this.#checkOwner());
  }

  get jobId(): string {
    return this.#record.id;
  }

  /** Stops the handler so that another worker goes on. */
  handBack(): void {
    this.#controller.abort(new JobHandedBackError());
  }

  /** Looks at the record now, as after the news of a cancellation. */
  async pulse(): Promise<void> {
    // One at a time; a look that began before the news may have missed it.
    await this.#pulsing;
    this.#pulsing ??= this.#takePulse().finally(() => {
      this.#pulsing = undefined;
    });
    await this.#pulsing;
  }

  async run(handler: JobHandler): Promise<WorkVerdict> {
    const heartbeat = setInterval(() => void this.pulse(), PULSE_MS);
    try {
      const stored = await this.#storedEvents.load();
      this.#log = new JobEventLog(stored === undefined ? [] : decodeJobEvents(stored));
      await this.#send('state', { state: 'RUNNING', attempt: this.#record.attempt });
      const spec = await this.#options.repository.readSpec(this.jobId);
      const result = await handler(this.#context(spec));
      return await this.#succeed(result);
    } catch (error) {
      return await this.#end(error);
    } finally {
      clearInterval(heartbeat);
      clearTimeout(this.#progressTimer);
      await this.#pulsing;
    }
  }

  #context(spec: Uint8Array): JobContext {
    return {
      job: this.#record,
      spec,
      attempt: this.#record.attempt,
      signal: this.#controller.signal,
      progress: (progress) => this.#setProgress(progress),
      emit: (kind, data) => this.#send(kind, data),
      checkpoint: {
        load: () => this.#checkpoint.load(),
        save: async (bytes) => {
          await this.#checkpoint.save(bytes);
          this.#hasNewCheckpoint = true;
          await this.#storeLog();
        },
      },
    };
  }

  #setProgress(progress: Omit<JobProgress, 'etaSeconds'>): void {
    const now = performance.now();
    this.#rate.update(progress.done, now);
    const etaSeconds = this.#rate.secondsUntil(progress.total);
    this.#progress = { ...progress, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
    this.#progressStored = false;
    const wait = PROGRESS_EVENT_MS - (now - this.#progressSentAt);
    if (wait <= 0) {
      this.#sendProgress();
    } else {
      this.#progressTimer ??= setTimeout(() => this.#sendProgress(), wait);
    }
  }

  #sendProgress(): void {
    clearTimeout(this.#progressTimer);
    this.#progressTimer = undefined;
    this.#progressSentAt = performance.now();
    if (this.#progress !== undefined) {
      void this.#send('progress', { ...this.#progress }).catch(this.#options.onError);
    }
  }

  /** In order, one after the other; an event that the bus does not take is still kept with the job. */
  async #send(kind: string, data: JsonObject): Promise<void> {
    this.#eventNumber += 1;
    const event: JobEvent = {
      job: this.jobId,
      kind,
      sequence: eventSequence(this.#record.attempt, this.#eventNumber),
      time: new Date().toISOString(),
      data,
    };
    this.#log.append(event);
    this.#logStored = false;
    const published = this.#publishing.then(() => publishJobEvent(this.#options.bus, event));
    this.#publishing = published.catch(() => undefined);
    try {
      await published;
    } catch (error) {
      if (!(error instanceof BusUnavailableError)) {
        throw error;
      }
      this.#options.onError(error);
    }
  }

  async #takePulse(): Promise<void> {
    try {
      const now = performance.now();
      const isDue = now - this.#recordWrittenAt > this.#options.leaseMs / 3;
      const hasProgress = !this.#progressStored && now - this.#recordWrittenAt > PROGRESS_RECORD_MS;
      const record = isDue || hasProgress ? await this.#writeSign() : await this.#options.repository.get(this.jobId);
      if (!this.#isMine(record)) {
        this.#controller.abort(new JobLostError(this.jobId));
      } else if (record.cancelRequested) {
        this.#controller.abort(new JobCancelledError());
      }
      if (!this.#logStored && now - this.#logStoredAt > EVENT_LOG_MS) {
        await this.#storeLog();
      }
    } catch (error) {
      // The next pulse tries again; until the store is back nothing can be committed either.
      this.#options.onError(error);
    }
  }

  async #writeSign(): Promise<JobRecord> {
    this.#recordWrittenAt = performance.now();
    this.#progressStored = true;
    const resetSetbacks = this.#hasNewCheckpoint;
    this.#hasNewCheckpoint = false;
    return await this.#options.repository.update(this.jobId, (current) => {
      if (!this.#isMine(current)) {
        return undefined;
      }
      return {
        ...current,
        ...this.#progressFields(),
        setbacks: resetSetbacks ? 0 : current.setbacks,
        leaseUntil: new Date(Date.now() + this.#options.leaseMs).toISOString(),
      };
    });
  }

  async #storeLog(): Promise<void> {
    this.#logStoredAt = performance.now();
    this.#logStored = true;
    await this.#storedEvents.save(encodeJobEvents(this.#log.events));
  }

  async #succeed(result: JsonObject): Promise<WorkVerdict> {
    return await this.#commit((current) => finished(current, { state: 'SUCCEEDED', result }));
  }

  async #end(error: unknown): Promise<WorkVerdict> {
    const reason: unknown = this.#controller.signal.reason;
    if (reason instanceof JobLostError || error instanceof JobLostError) {
      return { verdict: 'leave' };
    }
    if (reason instanceof JobCancelledError) {
      return await this.#commit((current) => finished(current, { state: 'CANCELLED' }));
    }
    if (reason instanceof JobHandedBackError) {
      return await this.#commit((current) => requeued(current, current.setbacks));
    }
    this.#options.onError(error);
    const setbacks = (this.#hasNewCheckpoint ? 0 : this.#record.setbacks) + 1;
    if (isTransient(error) && setbacks <= this.#options.maxSetbacks) {
      return await this.#commit((current) => requeued(current, setbacks), 1_000 * 2 ** Math.min(setbacks, 6));
    }
    return await this.#commit((current) => finished(current, { state: 'FAILED', error: describeFailure(error) }));
  }

  /** Writes the end of this attempt, for as long as it takes while the store is away, unless the job is no longer ours. */
  async #commit(
    change: (record: JobRecord) => Omit<JobRecord, 'revision'>,
    retryDelayMs: number = 0,
  ): Promise<WorkVerdict> {
    clearTimeout(this.#progressTimer);
    await this.#publishing;
    await this.#storeLog().catch(this.#options.onError);
    for (;;) {
      try {
        const record = await this.#options.repository.update(this.jobId, (current) => {
          if (!this.#isMine(current)) {
            return undefined;
          }
          return change({ ...current, ...this.#progressFields() });
        });
        return await this.#announce(record, retryDelayMs);
      } catch (error) {
        this.#options.onError(error);
        if (this.#controller.signal.reason instanceof JobHandedBackError || !isTransient(error)) {
          return { verdict: 'nak', delayMs: this.#options.leaseMs };
        }
        await new Promise((resolve) => setTimeout(resolve, COMMIT_RETRY_MS));
      }
    }
  }

  async #announce(record: JobRecord, retryDelayMs: number): Promise<WorkVerdict> {
    if (record.attempt !== this.#record.attempt || record.state === 'RUNNING') {
      return { verdict: 'leave' };
    }
    // Past the last event of this attempt and before the first of the next.
    await publishState(this.#options.bus, record, eventSequence(this.#record.attempt, this.#eventNumber + 1)).catch(
      this.#options.onError,
    );
    return record.state === 'QUEUED' ? { verdict: 'nak', delayMs: retryDelayMs } : { verdict: 'ack' };
  }

  #progressFields(): { progress?: JobProgress } {
    return this.#progress === undefined ? {} : { progress: this.#progress };
  }

  #isMine(record: JobRecord): boolean {
    return record.state === 'RUNNING' && record.attempt === this.#record.attempt;
  }

  async #checkOwner(): Promise<void> {
    const record = await this.#options.repository.get(this.jobId);
    if (!this.#isMine(record)) {
      const lost = new JobLostError(this.jobId);
      this.#controller.abort(lost);
      throw lost;
    }
  }
}

function finished(
  record: JobRecord,
  end:
    | { readonly state: 'SUCCEEDED'; readonly result: JsonObject }
    | { readonly state: 'FAILED'; readonly error: JobError }
    | { readonly state: 'CANCELLED' },
): JobRecord {
  const { leaseUntil: _, ...rest } = record;
  return { ...rest, ...end, finishTime: new Date().toISOString() };
}

function requeued(record: JobRecord, setbacks: number): JobRecord {
  const { leaseUntil: _, ...rest } = record;
  // Cancelled between the handler's end and this write.
  if (record.cancelRequested) {
    return finished(rest, { state: 'CANCELLED' });
  }
  return { ...rest, state: 'QUEUED', setbacks };
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof JobRetryError ||
    error instanceof StoreUnavailableError ||
    error instanceof BusUnavailableError ||
    (!(error instanceof JobFailedError) && grpcCode(error) === UNAVAILABLE)
  );
}

function describeFailure(error: unknown): JobError {
  if (error instanceof StoreFullError) {
    return { code: RESOURCE_EXHAUSTED, message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { code: grpcCode(error) ?? INTERNAL, message };
}

function grpcCode(error: unknown): number | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'number' && code > 0 && code <= 16 ? code : undefined;
}

/** For how long other workers must keep their hands off: 0 unless the job runs and its worker gave a sign within the lease. */
export function remainingLeaseMs(record: JobRecord, nowMs: number): number {
  if (record.state !== 'RUNNING' || record.leaseUntil === undefined) {
    return 0;
  }
  return Math.max(0, Date.parse(record.leaseUntil) - nowMs);
}
