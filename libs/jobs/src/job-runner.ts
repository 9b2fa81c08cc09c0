import { hostname } from 'node:os';
import type { Bus, WorkItem, WorkVerdict } from '@percept/bus';
import { CorruptJobRecordError, JobNotFoundError } from './errors.js';
import { CANCEL_KIND, eventSequence, publishJobEvent, stateEvent } from './job-event.js';
import { type ExecutionOptions, JobExecution, remainingLeaseMs } from './job-execution.js';
import type { JobHandler } from './job-handler.js';
import { JOB_PRIORITIES, type JobPriority, queueOf } from './job-priority.js';
import { isTerminal, type JobRecord, type JobStateName } from './job-record.js';
import type { JobRepository } from './job-repository.js';

export interface JobRunnerOptions {
  readonly repository: JobRepository;
  readonly bus: Bus;
  /** What to do for each kind; this worker takes jobs of these kinds only. */
  readonly handlers: Readonly<Record<string, JobHandler>>;
  /** Jobs of one kind and priority at a time. Default 1. */
  readonly concurrency?: number;
  /** Names this worker in records. Default: host name and process id. */
  readonly worker?: string;
  /** How long a job counts as alive without a sign of its worker. Default 30,000. */
  readonly leaseMs?: number;
  /** Crashes and retries without a new checkpoint between them before a job fails. Default 5. */
  readonly maxSetbacks?: number;
  /** Told of every attempt that begins; the function it returns is told the state in which the attempt left the job, or LOST. */
  readonly observe?: (kind: string) => (state: JobStateName | 'LOST') => void;
  /** Receives errors that are not the job's own end: lost connections, failed handlers. Default: standard error. */
  readonly onError?: (error: unknown) => void;
}

const DEFAULT_LEASE_MS = 30_000;
const DEFAULT_MAX_SETBACKS = 5;
/** Deliveries after which an item whose record still cannot be read becomes a dead letter. */
const MAX_FAILED_LOOKS = 1_000;
const RESUBSCRIBE_MS = 1_000;

/** A worker: takes jobs of its kinds one by one and runs their handlers until it is closed. */
export class JobRunner {
  readonly #options: JobRunnerOptions;
  readonly #worker: string;
  readonly #execution: ExecutionOptions;
  readonly #closing = new AbortController();
  readonly #executions = new Set<JobExecution>();
  readonly #loops: Promise<void>[] = [];

  constructor(options: JobRunnerOptions) {
    this.#options = options;
    this.#worker = options.worker ?? `${hostname()}-${process.pid}`;
    this.#execution = {
      repository: options.repository,
      bus: options.bus,
      leaseMs: options.leaseMs ?? DEFAULT_LEASE_MS,
      maxSetbacks: options.maxSetbacks ?? DEFAULT_MAX_SETBACKS,
      onError: options.onError ?? ((error) => console.error(error)),
    };
  }

  /** The jobs that this worker runs now. */
  get running(): readonly string[] {
    return [...this.#executions].map(({ jobId }) => jobId);
  }

  start(): void {
    this.#loops.push(this.#watchCancellations());
    for (const kind of Object.keys(this.#options.handlers)) {
      for (let n = 0; n < (this.#options.concurrency ?? 1); n++) {
        for (const priority of JOB_PRIORITIES) {
          this.#loops.push(this.#consume(kind, priority));
        }
      }
    }
  }

  /** Takes no further job, hands the running ones back at their next step, and waits for that. */
  async close(): Promise<void> {
    this.#closing.abort();
    for (const execution of this.#executions) {
      execution.handBack();
    }
    await Promise.all(this.#loops);
  }

  async #consume(kind: string, priority: JobPriority): Promise<void> {
    const { leaseMs, onError } = this.#execution;
    try {
      await this.#options.bus.consume(queueOf(kind, priority), (item) => this.#handle(kind, item), {
        signal: this.#closing.signal,
        ackWaitMs: leaseMs,
      });
    } catch (error) {
      onError(error);
    }
  }

  async #handle(kind: string, item: WorkItem): Promise<WorkVerdict> {
    const { repository, leaseMs } = this.#execution;
    const handler = this.#options.handlers[kind];
    if (handler === undefined) {
      return { verdict: 'nak', delayMs: leaseMs };
    }
    let found: JobRecord;
    try {
      found = await repository.get(item.id);
    } catch (error) {
      const isHopeless = error instanceof JobNotFoundError || error instanceof CorruptJobRecordError;
      if (isHopeless || item.deliveries >= MAX_FAILED_LOOKS) {
        this.#execution.onError(error);
        return { verdict: 'dead', reason: error instanceof Error ? error.message : String(error) };
      }
      throw error;
    }
    const leaseLeft = remainingLeaseMs(found, Date.now());
    if (leaseLeft > 0) {
      return { verdict: 'nak', delayMs: leaseLeft };
    }
    const record = await this.#begin(item.id, found);
    if (record.state !== 'RUNNING') {
      return { verdict: 'ack' };
    }
    if (record.attempt !== found.attempt + 1) {
      // Another worker took it between our look and our write.
      return { verdict: 'nak', delayMs: leaseMs };
    }
    return await this.#run(record, handler);
  }

  async #run(record: JobRecord, handler: JobHandler): Promise<WorkVerdict> {
    const execution = new JobExecution(record, this.#execution);
    this.#executions.add(execution);
    if (this.#closing.signal.aborted) {
      execution.handBack();
    }
    const ended = this.#options.observe?.(record.kind);
    try {
      return await execution.run(handler);
    } finally {
      ended?.(execution.leftAs ?? 'LOST');
      this.#executions.delete(execution);
    }
  }

  /** Takes the job, or ends it where it must not run any more. */
  async #begin(id: string, found: JobRecord): Promise<JobRecord> {
    const { repository, leaseMs, maxSetbacks, bus } = this.#execution;
    const record = await repository.update(id, (current) => {
      if (isTerminal(current.state) || current.attempt !== found.attempt) {
        return undefined;
      }
      const now = new Date().toISOString();
      // In the place of the attempt that does not come.
      const between = { stateSequence: eventSequence(current.attempt + 1, 1), stateTime: now };
      if (current.cancelRequested) {
        return { ...current, ...between, state: 'CANCELLED', endTime: now };
      }
      // RUNNING without a lease: its worker died.
      const setbacks = current.setbacks + (current.state === 'RUNNING' ? 1 : 0);
      if (setbacks > maxSetbacks) {
        const message = `gave up after ${setbacks} interruptions without a new checkpoint`;
        const error = { code: 'ABORTED', message };
        return { ...current, ...between, setbacks, state: 'FAILED', error, endTime: now };
      }
      return {
        ...current,
        setbacks,
        state: 'RUNNING',
        stateSequence: eventSequence(current.attempt + 1, 1),
        stateTime: now,
        attempt: current.attempt + 1,
        worker: this.#worker,
        startTime: current.startTime ?? now,
        leaseUntil: new Date(Date.now() + leaseMs).toISOString(),
      };
    });
    if (isTerminal(record.state)) {
      await publishJobEvent(bus, stateEvent(record));
    }
    return record;
  }

  async #watchCancellations(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      try {
        const events = await this.#options.bus.subscribeEvents({ kind: CANCEL_KIND }, { from: 'now', signal });
        for await (const { job } of events) {
          for (const execution of this.#executions) {
            if (execution.jobId === job) {
              await execution.pulse();
            }
          }
        }
        return;
      } catch (error) {
        // Pulses see the flag in the record meanwhile.
        this.#execution.onError(error);
        await new Promise((resolve) => setTimeout(resolve, RESUBSCRIBE_MS));
      }
    }
  }
}

/** Starts a worker. */
export function startJobRunner(options: JobRunnerOptions): JobRunner {
  const runner = new JobRunner(options);
  runner.start();
  return runner;
}
