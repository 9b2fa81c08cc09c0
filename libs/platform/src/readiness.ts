import type { Logger } from './logger.js';

/** Something without which a service cannot do its work. */
export interface Dependency {
  /** Name in logs. */
  readonly name: string;
  /** Settles once it is known whether the dependency is there: rejects with the reason where it is not. */
  check(): Promise<void>;
}

/** How often, and how patiently, dependencies are looked at. */
export interface ReadinessOptions {
  /** Pause between two looks, in milliseconds. Default 1,000. */
  readonly everyMs?: number;
  /** A check that takes longer counts as failed, in milliseconds. Default 2,000. */
  readonly timeoutMs?: number;
}

class CheckTimeoutError extends Error {
  override readonly name = 'CheckTimeoutError';
}

/** Looks at dependencies again and again and tells whenever all of them came, or one of them went. */
export class ReadinessWatch {
  readonly #probes: readonly Probe[];
  readonly #log: Logger;
  readonly #onChange: (ready: boolean) => void;
  readonly #everyMs: number;
  #ready: boolean | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    dependencies: readonly Dependency[],
    log: Logger,
    onChange: (ready: boolean) => void,
    { everyMs = 1_000, timeoutMs = 2_000 }: ReadinessOptions = {},
  ) {
    this.#probes = dependencies.map((dependency) => new Probe(dependency, timeoutMs));
    this.#log = log;
    this.#onChange = onChange;
    this.#everyMs = everyMs;
  }

  /** Looks once and tells the outcome; goes on looking until `close` where there is something to look at. */
  async start(): Promise<void> {
    const failures = (await Promise.all(this.#probes.map((probe) => probe.look()))).filter(
      (each) => each !== undefined,
    );
    if (this.#closed) return;
    const ready = failures.length === 0;
    if (ready !== this.#ready) {
      if (!ready) this.#log.warn({ missing: failures }, 'not ready');
      else if (this.#ready !== undefined) this.#log.info('ready again');
      this.#ready = ready;
      this.#onChange(ready);
    }
    if (this.#probes.length > 0) this.#timer = setTimeout(() => void this.start(), this.#everyMs);
  }

  /** No change is told after this. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }
}

/** One dependency; a check that is still under way is waited for again, so that an outage piles nothing up. */
class Probe {
  readonly #dependency: Dependency;
  readonly #timeoutMs: number;
  #checking: Promise<unknown> | undefined;

  constructor(dependency: Dependency, timeoutMs: number) {
    this.#dependency = dependency;
    this.#timeoutMs = timeoutMs;
  }

  /** What is wrong, for the log; undefined where the dependency is there. */
  async look(): Promise<{ name: string; reason: string } | undefined> {
    let timer: NodeJS.Timeout | undefined;
    this.#checking ??= this.#dependency.check().finally(() => {
      this.#checking = undefined;
    });
    // The race below may be over before it is rejected.
    this.#checking.catch(() => {});
    try {
      await Promise.race([
        this.#checking,
        new Promise<never>((_, reject) => {
          timer = setTimeout(() => reject(new CheckTimeoutError('no answer in time')), this.#timeoutMs);
        }),
      ]);
      return undefined;
    } catch (error) {
      return { name: this.#dependency.name, reason: error instanceof Error ? error.message : String(error) };
    } finally {
      clearTimeout(timer);
    }
  }
}
