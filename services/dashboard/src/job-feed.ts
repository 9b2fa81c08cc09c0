import type { ChannelTiming, EventChannel } from './event-channel.js';
import { asHttpError } from './http-error.js';
import { pause } from './pause.js';
import type { JobsChangeView, JobView, ServiceView } from './views.js';

/** What one service address answered when asked for its jobs. */
export interface JobListing {
  readonly service: ServiceView;
  readonly jobs: readonly JobView[] | null;
}

interface Entry {
  readonly job: JobView;
  readonly text: string;
  readonly changedAt: number;
}

const rememberedRemovals = 1_000;

/**
 * The state of all jobs, numbered by change: a client needs no buffer of its own, only the number up to which it knows.
 * It asks the services once for all clients, and only while there is one.
 */
export class JobFeed {
  readonly #list: () => Promise<readonly JobListing[]>;
  readonly #period: number;
  readonly #onError: (error: unknown) => void;
  readonly #epoch: string = Date.now().toString(36);
  readonly #closing = new AbortController();
  readonly #entries = new Map<string, Entry>();
  readonly #homes = new Map<string, string>();
  readonly #removals = new Map<string, number>();
  #forgottenUpTo = 0;
  #services: readonly ServiceView[] = [];
  #servicesText = '';
  #sequence = 0;
  #clients = 0;
  #running: Promise<void> | undefined;
  #waiting: (() => void)[] = [];

  constructor(list: () => Promise<readonly JobListing[]>, period: number, onError: (error: unknown) => void) {
    this.#list = list;
    this.#period = period;
    this.#onError = onError;
  }

  /** Sends one client all jobs, or what changed since its Last-Event-ID, and then every change until it goes. */
  async follow(channel: EventChannel, lastEventId: string | undefined, timing: ChannelTiming): Promise<void> {
    this.#clients++;
    channel.signal.addEventListener(
      'abort',
      () => {
        this.#clients--;
        this.#notify();
      },
      { once: true },
    );
    this.#running ??= this.#poll();
    let cursor = this.#resume(lastEventId);
    let services = '';
    while (!channel.signal.aborted && !this.#closing.signal.aborted) {
      const asked = this.#servicesText !== '';
      if (!asked || (services === this.#servicesText && cursor === this.#sequence)) {
        await this.#changed();
        continue;
      }
      if (services !== this.#servicesText) {
        services = this.#servicesText;
        await channel.send('services', this.#services);
      }
      if (cursor !== this.#sequence) {
        const upTo = this.#sequence;
        await channel.send('jobs', this.#changesSince(cursor), `${this.#epoch}.${upTo}`);
        cursor = upTo;
        await pause(timing.window, channel.signal);
      }
    }
    channel.close();
  }

  /** Ends the feed and every client's stream. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#notify();
    await this.#running;
  }

  #resume(lastEventId: string | undefined): number | undefined {
    const [epoch, text] = (lastEventId ?? '').split('.', 2);
    const sequence = Number(text);
    if (epoch !== this.#epoch || !Number.isInteger(sequence) || sequence < this.#forgottenUpTo) return undefined;
    return sequence <= this.#sequence ? sequence : undefined;
  }

  #changesSince(cursor: number | undefined): JobsChangeView {
    const entries = [...this.#entries.values()];
    if (cursor === undefined) return { reset: true, changed: entries.map((entry) => entry.job), removed: [] };
    return {
      reset: false,
      changed: entries.filter((entry) => entry.changedAt > cursor).map((entry) => entry.job),
      removed: [...this.#removals].filter(([, at]) => at > cursor).map(([id]) => id),
    };
  }

  async #poll(): Promise<void> {
    while (this.#clients > 0 && !this.#closing.signal.aborted) {
      try {
        this.#take(await this.#list());
      } catch (error) {
        this.#onError(error);
        this.#setServices([
          { name: 'services', address: '', serving: false, message: asHttpError(error).message, workers: null },
        ]);
      }
      this.#notify();
      await pause(this.#period, this.#closing.signal);
    }
    this.#running = undefined;
  }

  #take(listings: readonly JobListing[]): void {
    this.#setServices(listings.map((listing) => listing.service));
    for (const { service, jobs } of listings) {
      if (jobs === null) continue;
      const present = new Set<string>();
      for (const job of jobs) {
        present.add(job.id);
        const text = JSON.stringify(job);
        if (this.#entries.get(job.id)?.text === text) continue;
        this.#removals.delete(job.id);
        this.#entries.set(job.id, { job, text, changedAt: ++this.#sequence });
        this.#homes.set(job.id, service.name);
      }
      for (const [id, home] of this.#homes) {
        if (home === service.name && !present.has(id)) this.#remove(id);
      }
    }
  }

  #remove(id: string): void {
    this.#entries.delete(id);
    this.#homes.delete(id);
    this.#removals.set(id, ++this.#sequence);
    const oldest = this.#removals.entries().next().value;
    if (this.#removals.size > rememberedRemovals && oldest !== undefined) {
      this.#removals.delete(oldest[0]);
      this.#forgottenUpTo = oldest[1];
    }
  }

  #setServices(services: readonly ServiceView[]): void {
    this.#services = services;
    this.#servicesText = JSON.stringify(services);
  }

  #changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #notify(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}
