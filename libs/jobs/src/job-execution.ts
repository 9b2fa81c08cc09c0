import { setMaxListeners } from 'node:events';
import { type Bus, BusUnavailableError, type WorkVerdict } from '@percept/bus';
import {
  type JobError,
  type JobEvent,
  type JobProgress,
  type JobResult,
  type JobSpec,
  PerceptRpcError,
} from '@percept/contracts';
import { beginSpan, parseTraceparent, type WorkSpan, withTrace } from '@percept/platform';
import { StoreFullError, StoreUnavailableError } from '@percept/store';
import { JobCancelledError, JobFailedError, JobHandedBackError, JobLostError, JobRetryError } from './errors.js';
import { FencedObject } from './fenced-object.js';
import {
  decodeJobEvents,
  encodeJobEvents,
  eventSequence,
  type JobEventPayload,
  publishJobEvent,
  stateEvent,
} from './job-event.js';
import { JobEventLog } from './job-event-log.js';
import type { HandlerProgress, JobContext, JobHandler } from './job-handler.js';
import { checkpointKey, eventsKey } from './job-keys.js';
import type { JobRecord, JobStateName } from './job-record.js';
import type { JobRepository } from './job-repository.js';
import { RateEstimator } from './rate-estimator.js';

export interface ExecutionOptions {
  readonly repository: JobRepository;
  readonly bus: Bus;
  readonly leaseMs: number;
  readonly maxSetbacks: number;
  readonly onError: (error: unknown) => void;
}

type JobEnd =
  | { readonly state: 'SUCCEEDED'; readonly result: JobResult }
  | { readonly state: 'FAILED'; readonly error: JobError }
  | { readonly state: 'CANCELLED' };

const PULSE_MS = 500;
const PROGRESS_EVENT_MS = 200;
const PROGRESS_RECORD_MS = 1_000;
const EVENT_LOG_MS = 5_000;
const COMMIT_RETRY_MS = 1_000;

/** One attempt at one job by this worker: from the RUNNING record to the committed end. */
export class JobExecution {
  readonly #options: ExecutionOptions;
  readonly #record: JobRecord;
  readonly #controller = new AbortController();
  readonly #rate = new RateEstimator();
  readonly #checkpoint: FencedObject;
  readonly #storedEvents: FencedObject;
  #log = new JobEventLog();
  // 1 is the event of the RUNNING state itself.
  #eventNumber = 1;
  #publishing: Promise<void> = Promise.resolve();
  #progress: JobProgress | undefined;
  #environment: Readonly<Record<string, string>> | undefined;
  #progressTimer: NodeJS.Timeout | undefined;
  #progressSentAt = Number.NEGATIVE_INFINITY;
  #progressStored = true;
  #logStored = true;
  #logStoredAt = performance.now();
  #recordWrittenAt = performance.now();
  #hasNewCheckpoint = false;
  #pulsing: Promise<void> | undefined;
  #leftAs: JobStateName | undefined;

  constructor(record: JobRecord, options: ExecutionOptions) {
    this.#record = record;
    this.#options = options;
    // Every call and task that the handler has under way listens, and how many those are is its own affair.
    setMaxListeners(0, this.#controller.signal);
    const { store } = options.repository;
    this.#checkpoint = new FencedObject(store, checkpointKey(record.id), () => this.#checkOwner());
    this.#storedEvents = new FencedObject(store, eventsKey(record.id), () => this.#checkOwner());
  }

  get jobId(): string {
    return this.#record.id;
  }

  /** The state in which this attempt left the job; undefined while it runs and where another worker has the job. */
  get leftAs(): JobStateName | undefined {
    return this.#leftAs;
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
    const span = this.#beginSpan();
    try {
      const stored = await this.#storedEvents.load();
      this.#log = new JobEventLog(stored === undefined ? [] : decodeJobEvents(stored));
      await this.#publish(stateEvent(this.#record));
      const spec = await this.#options.repository.readSpec(this.jobId);
      const result = await withTrace(span.context, () => handler(this.#context(spec)));
      return await this.#succeed(result);
    } catch (error) {
      return await this.#end(error);
    } finally {
      clearInterval(heartbeat);
      clearTimeout(this.#progressTimer);
      await this.#pulsing;
      const state = this.#leftAs ?? 'LOST';
      span.end({ attributes: { 'percept.job.state': state }, ...(state === 'FAILED' ? { failure: state } : {}) });
    }
  }

  #beginSpan(): WorkSpan {
    const { id, kind, attempt, headers } = this.#record;
    return beginSpan(`job ${kind}`, 'consumer', parseTraceparent(headers['traceparent']), {
      'percept.job.id': id,
      'percept.job.attempt': attempt,
    });
  }

  #context(spec: JobSpec): JobContext {
    return {
      job: this.#record,
      spec,
      attempt: this.#record.attempt,
      signal: this.#controller.signal,
      progress: (progress) => this.#setProgress(progress),
      environment: (environment) => {
        this.#environment = environment;
        this.#progressStored = false;
      },
      emit: (event) => this.#send(event),
      put: async (key, bytes) => {
        await new FencedObject(this.#options.repository.store, key, () => this.#checkOwner()).save(bytes);
      },
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

  #setProgress(progress: HandlerProgress): void {
    const now = performance.now();
    const { done, total } = progress;
    this.#rate.update(done, now);
    const fraction = total > 0 ? Math.min(1, Math.max(0, done / total)) : 0;
    this.#progress = { ...progress, fraction, etaSeconds: total > 0 ? this.#rate.secondsUntil(total) : undefined };
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
      void this.#send({ $case: 'progress', value: this.#progress }).catch(this.#options.onError);
    }
  }

  async #send(event: JobEventPayload): Promise<void> {
    this.#eventNumber += 1;
    await this.#publish({
      jobId: this.jobId,
      sequence: eventSequence(this.#record.attempt, this.#eventNumber),
      time: new Date(),
      event,
    });
  }

  /** In order, one after the other; an event that the bus does not take is still kept with the job. */
  async #publish(event: JobEvent): Promise<void> {
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
        ...this.#reported(),
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

  async #succeed(result: JobResult): Promise<WorkVerdict> {
    return await this.#commit((current) => this.#finished(current, { state: 'SUCCEEDED', result }));
  }

  async #end(error: unknown): Promise<WorkVerdict> {
    const reason: unknown = this.#controller.signal.reason;
    if (reason instanceof JobLostError || error instanceof JobLostError) {
      return { verdict: 'leave' };
    }
    if (reason instanceof JobCancelledError) {
      return await this.#commit((current) => this.#finished(current, { state: 'CANCELLED' }));
    }
    if (reason instanceof JobHandedBackError) {
      return await this.#commit((current) => this.#requeued(current, current.setbacks));
    }
    this.#options.onError(error);
    const setbacks = (this.#hasNewCheckpoint ? 0 : this.#record.setbacks) + 1;
    if (isTransient(error) && setbacks <= this.#options.maxSetbacks) {
      return await this.#commit((current) => this.#requeued(current, setbacks), 1_000 * 2 ** Math.min(setbacks, 6));
    }
    return await this.#commit((current) => this.#finished(current, { state: 'FAILED', error: describeFailure(error) }));
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
          return change({ ...current, ...this.#reported() });
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
    this.#leftAs = record.state;
    // Not kept in the log: it follows from the record.
    await publishJobEvent(this.#options.bus, stateEvent(record)).catch(this.#options.onError);
    return record.state === 'QUEUED' ? { verdict: 'nak', delayMs: retryDelayMs } : { verdict: 'ack' };
  }

  #finished(record: JobRecord, end: JobEnd): JobRecord {
    const ended = this.#inState(record, end.state);
    return { ...ended, ...end, endTime: ended.stateTime };
  }

  #requeued(record: JobRecord, setbacks: number): JobRecord {
    // Cancelled between the handler's end and this write.
    if (record.cancelRequested) {
      return this.#finished(record, { state: 'CANCELLED' });
    }
    return { ...this.#inState(record, 'QUEUED'), setbacks };
  }

  #inState(record: JobRecord, state: JobRecord['state']): JobRecord {
    const { leaseUntil: _, ...rest } = record;
    return {
      ...rest,
      state,
      stateSequence: eventSequence(this.#record.attempt, this.#eventNumber + 1),
      stateTime: new Date().toISOString(),
    };
  }

  /** What the handler said of itself. */
  #reported(): Pick<JobRecord, 'progress' | 'environment'> | Pick<JobRecord, 'progress'> {
    return {
      ...(this.#progress === undefined ? {} : { progress: this.#progress }),
      ...(this.#environment === undefined ? {} : { environment: this.#environment }),
    };
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

function isTransient(error: unknown): boolean {
  return (
    error instanceof JobRetryError ||
    error instanceof StoreUnavailableError ||
    error instanceof BusUnavailableError ||
    (error instanceof PerceptRpcError && error.code === 'UNAVAILABLE')
  );
}

function describeFailure(error: unknown): JobError {
  if (error instanceof PerceptRpcError) {
    return { code: error.code, message: error.rawMessage };
  }
  if (error instanceof JobFailedError) {
    return { code: error.code, message: error.message };
  }
  if (error instanceof StoreFullError) {
    return { code: 'RESOURCE_EXHAUSTED', message: error.message };
  }
  return { code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) };
}

/** For how long other workers must keep their hands off: 0 unless the job runs and its worker gave a sign within the lease. */
export function remainingLeaseMs(record: JobRecord, nowMs: number): number {
  if (record.state !== 'RUNNING' || record.leaseUntil === undefined) {
    return 0;
  }
  return Math.max(0, Date.parse(record.leaseUntil) - nowMs);
}
