import type { Classifier } from '@percept/models';
import type { Precision } from '@percept/tensor';
import { pullBack } from './ascent-gradient.js';
import type { AttackHooks } from './attack-hooks.js';
import { modelForSteps, unavailable } from './attack-precision.js';
import type { AttackResult } from './attack-result.js';
import type { Goal } from './goal.js';
import { joinRows } from './image-rows.js';
import { writeAscentCotangent } from './losses.js';
import { distance } from './norms.js';
import { finiteScores, modelScorer, type Scorer } from './scorer.js';
import type { Pass, Search, SearchProblem, Seen } from './search.js';
import { type JudgingOptions, Standings } from './standings.js';
import { workingBatchSize } from './working-batch-size.js';

/** The attacked model: with its gradients, or no more than its scores. */
export type AttackedModel =
  | { readonly kind: 'gradients'; readonly model: Classifier }
  | { readonly kind: 'scores'; readonly scorer: Scorer };

/** The scores of a model, whatever else it tells. */
export function scorerOf(attacked: AttackedModel): Scorer {
  return attacked.kind === 'gradients' ? modelScorer(attacked.model) : attacked.scorer;
}

/** How searches are run and judged. */
export interface SearchRunOptions extends JudgingOptions {
  readonly seed: number;
  readonly stop: 'first-success' | 'all-steps';
  /** What ranks two successes: the larger loss, or the smaller distance. */
  readonly prefer: 'loss' | 'nearest';
  /** The most gradient passes per image, for progress. */
  readonly gradientStepsAtMost: number;
}

/** Thrown when an attack that needs gradients meets a model that only scores. */
export class NoGradientsError extends Error {
  constructor() {
    super('this attack needs gradients, and the model only answers with scores');
    this.name = 'NoGradientsError';
  }
}

interface Active {
  readonly index: number;
  readonly search: Search;
  pass: Pass;
}

const nothing = new Float32Array(0);

/**
 * Runs one search per image and keeps the best point of each.
 *
 * Passes of different images share a batch; images that are done leave it at once and those that wait take their places. An image that meets the goal
 * as it is needs no search under `first-success`. Throws NonFiniteLogitsError, NoGradientsError, or the abort signal's reason.
 */
export async function runSearches(
  attacked: AttackedModel,
  images: Float32Array,
  goal: Goal,
  sampleIds: Int32Array,
  options: SearchRunOptions,
  begin: (problem: SearchProblem) => Search,
  hooks: AttackHooks,
): Promise<AttackResult> {
  return await new SearchRun(attacked, images, goal, sampleIds, options, begin, hooks).run();
}

class SearchRun {
  /** In the precision of the search. */
  readonly #attacked: AttackedModel;
  readonly #scorer: Scorer;
  readonly #sampleIds: Int32Array;
  readonly #options: SearchRunOptions;
  readonly #begin: (problem: SearchProblem) => Search;
  readonly #standings: Standings;
  readonly #cleanLogits: Float32Array[] = [];
  readonly #gradientSteps: Int32Array;
  readonly #restartsUsed: Int32Array;
  readonly #zeroGradientSteps: Int32Array;
  readonly #queries: Int32Array;
  #gradientImageSteps = 0;
  #forwardImagePasses = 0;
  #finished = 0;

  constructor(
    attacked: AttackedModel,
    images: Float32Array,
    goal: Goal,
    sampleIds: Int32Array,
    options: SearchRunOptions,
    begin: (problem: SearchProblem) => Search,
    hooks: AttackHooks,
  ) {
    const count = sampleIds.length;
    this.#attacked = inPrecision(attacked, options.precision);
    this.#scorer = scorerOf(this.#attacked);
    this.#sampleIds = sampleIds;
    this.#options = options;
    this.#begin = begin;
    this.#standings = new Standings(scorerOf(attacked), images, goal, count, options, hooks);
    this.#gradientSteps = new Int32Array(count);
    this.#restartsUsed = new Int32Array(count);
    this.#zeroGradientSteps = new Int32Array(count);
    this.#queries = new Int32Array(count);
  }

  async run(): Promise<AttackResult> {
    await this.#standings.judgeCleanImages((index, logits) => {
      this.#cleanLogits[index] = logits;
    });
    const count = this.#sampleIds.length;
    const capacity = Math.min(this.#options.batchSize, count);
    const waiting = Array.from({ length: count }, (_, index) => index);
    let active: Active[] = [];
    while (active.length + waiting.length > 0) {
      while (active.length < capacity && waiting.length > 0) {
        const begun = this.#start(waiting.shift() as number);
        if (begun === undefined) this.#finished++;
        else active.push(begun);
      }
      const ended = new Set<Active>();
      const forGradients = partOf(active, capacity, true);
      const forForwards = partOf(active, capacity, false);
      await this.#gradients(forGradients, ended);
      await this.#forwards(forForwards, ended);
      this.#finished += ended.size;
      active = inTurn(active, [...forGradients, ...forForwards]).filter((one) => !ended.has(one));
      await this.#standings.breathe({
        finished: this.#finished,
        gradientImageSteps: this.#gradientImageSteps,
        gradientImageStepsAtMost: Math.max(1, count * this.#options.gradientStepsAtMost),
      });
    }
    return await this.#standings.result({
      gradientSteps: this.#gradientSteps,
      restartsUsed: this.#restartsUsed,
      zeroGradientSteps: this.#zeroGradientSteps,
      queries: this.#queries,
      snapshots: [],
      gradientImageSteps: this.#gradientImageSteps,
      forwardImagePasses: this.#forwardImagePasses,
    });
  }

  /** The image's search up to its first pass, or nothing where there is nothing to search. */
  #start(index: number): Active | undefined {
    const standing = this.#standings.of(index);
    const epsilon = this.#standings.epsilonOf(index);
    if (epsilon === 0 || (standing.success && this.#options.stop === 'first-success')) return undefined;
    const search = this.#begin({
      image: standing.image,
      shape: this.#scorer.inputShape,
      classes: this.#scorer.classes,
      sampleId: this.#sampleIds[index] as number,
      aim: this.#standings.aimOf(index),
      cleanLogits: this.#cleanLogits[index] as Float32Array,
      norm: this.#options.norm,
      epsilon,
      seed: this.#options.seed,
    });
    const { done, value } = search.next();
    return done ? undefined : { index, search, pass: value };
  }

  async #gradients(batch: readonly Active[], ended: Set<Active>): Promise<void> {
    if (batch.length === 0) return;
    if (this.#attacked.kind === 'scores') throw new NoGradientsError();
    const { classes } = this.#scorer;
    const rows = joinRows(batch.map(({ pass }) => pass.point));
    const { logits: seen, gradient } = pullBack(this.#attacked.model, rows, batch.length, (cotangent, values, row) =>
      writeCotangent(cotangent, values, row * classes, classes, batch[row]?.pass as Pass),
    );
    this.#gradientImageSteps += batch.length;
    const logits = await this.#confirmed(batch, seen);
    const length = rows.length / batch.length;
    for (const [row, one] of batch.entries()) {
      const { index } = one;
      const own = gradient.slice(row * length, (row + 1) * length);
      this.#gradientSteps[index] = (this.#gradientSteps[index] as number) + 1;
      if (own.every((g) => g === 0 || !Number.isFinite(g))) {
        this.#zeroGradientSteps[index] = (this.#zeroGradientSteps[index] as number) + 1;
      }
      this.#answer(one, logits, row, own, ended);
    }
  }

  async #forwards(batch: readonly Active[], ended: Set<Active>): Promise<void> {
    if (batch.length === 0) return;
    const seen = await finiteScores(
      this.#scorer,
      batch.map(({ pass }) => pass.point),
    );
    this.#forwardImagePasses += batch.length;
    const logits = await this.#confirmed(batch, seen);
    for (const [row, one] of batch.entries()) this.#answer(one, logits, row, nothing, ended);
  }

  #confirmed(batch: readonly Active[], seen: Float32Array): Promise<Float32Array> {
    return this.#standings.confirmed(
      batch.map(({ index }) => index),
      batch.map(({ pass }) => pass.point),
      seen,
    );
  }

  #answer(one: Active, logits: Float32Array, row: number, gradient: Float32Array, ended: Set<Active>): void {
    const { index, pass } = one;
    const { classes } = this.#scorer;
    this.#queries[index] = (this.#queries[index] as number) + 1;
    this.#restartsUsed[index] = Math.max(this.#restartsUsed[index] as number, pass.restart + 1);
    const judgement = this.#standings.judge(index, logits, row);
    const reached = this.#standings.succeeds(judgement);
    if (pass.withinBudget && this.#isBetter(index, pass.point, judgement)) {
      const { point: image, restart, step, attack } = pass;
      this.#standings.set(index, { image, judgement, success: reached, restart, step, attack });
    }
    if (reached && pass.withinBudget && this.#options.stop === 'first-success') {
      ended.add(one);
      return;
    }
    const seen: Seen = { logits: logits.slice(row * classes, (row + 1) * classes), gradient, reached };
    const { done, value } = one.search.next(seen);
    if (done) ended.add(one);
    else one.pass = value;
  }

  #isBetter(index: number, point: Float32Array, judgement: Parameters<Standings['succeeds']>[0]): boolean {
    const known = this.#standings.of(index);
    if (this.#options.prefer === 'loss' || !known.success || !this.#standings.succeeds(judgement)) {
      return this.#standings.isBetter(index, judgement);
    }
    const centre = this.#standings.rows[index] as Float32Array;
    return distance(point, centre, this.#options.norm) < distance(known.image, centre, this.#options.norm);
  }
}

function inPrecision(attacked: AttackedModel, precision: Precision): AttackedModel {
  if (precision === 'float32') return attacked;
  if (attacked.kind === 'scores') throw unavailable(precision);
  return { kind: 'gradients', model: modelForSteps(attacked.model, precision) };
}

/** The first of those that wait for a gradient, or for a forward pass, as many as make a batch. */
function partOf(active: readonly Active[], capacity: number, gradient: boolean): Active[] {
  const part = active.filter(({ pass }) => (pass.direction !== undefined) === gradient);
  return part.length === 0 ? [] : part.slice(0, workingBatchSize(part.length, capacity));
}

/** Those that had to wait before those that had their pass: no few of them are left over to go on alone when the others are done. */
function inTurn(active: readonly Active[], served: readonly Active[]): readonly Active[] {
  if (served.length === active.length) return active;
  const had = new Set(served);
  return [...active.filter((one) => !had.has(one)), ...served];
}

function writeCotangent(
  cotangent: Float32Array,
  logits: Float32Array,
  offset: number,
  classes: number,
  { direction }: Pass,
): void {
  if (direction === undefined) return;
  if (direction.kind === 'loss') {
    writeAscentCotangent(cotangent, logits, offset, classes, direction.aim, direction.loss);
    return;
  }
  cotangent[offset + direction.raise] = 1;
  cotangent[offset + direction.lower] = -1;
}
