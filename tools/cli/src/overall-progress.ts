import { RateEstimator } from '@percept/jobs';

/** How far a run of several jobs has come. */
export interface OverallState {
  /** Share of the whole work, 0 to 1. */
  readonly fraction: number;
  /** Seconds left, once a rate is known. */
  readonly etaSeconds?: number;
}

interface Part {
  readonly cost: number;
  /** Share that was done before this run, by an earlier one; absent until the part is first heard of. */
  before?: number;
  fraction: number;
}

/** Joins the progress of several jobs, each with an expected cost, to that of the whole. */
export class OverallProgress {
  readonly #parts: ReadonlyMap<string, Part>;
  readonly #total: number;
  readonly #rate = new RateEstimator();

  /** `costs`: the work of every part by name, in any unit that is the same for all. */
  constructor(costs: Readonly<Record<string, number>>) {
    this.#parts = new Map(Object.entries(costs).map(([name, cost]) => [name, { cost, fraction: 0 }]));
    this.#total = Object.values(costs).reduce((sum, cost) => sum + cost, 0);
  }

  /** Takes the share of a part that is done, at a time in milliseconds. Parts without a cost are passed over. */
  update(name: string, fraction: number, timeMs: number): OverallState {
    const part = this.#parts.get(name);
    if (part !== undefined) {
      part.before ??= fraction;
      part.fraction = Math.max(part.fraction, fraction);
    }
    let done = 0;
    let doneHere = 0;
    for (const { cost, before = 0, fraction: share } of this.#parts.values()) {
      done += cost * share;
      doneHere += cost * Math.max(0, share - before);
    }
    this.#rate.update(doneHere, timeMs);
    const etaSeconds = this.#rate.secondsUntil(doneHere + this.#total - done);
    return { fraction: done / this.#total, ...(etaSeconds === undefined ? {} : { etaSeconds }) };
  }
}
