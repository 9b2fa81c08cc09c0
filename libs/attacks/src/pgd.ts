import type { Classifier } from '@percept/models';
import { ascentGradient, forwardLogits } from './ascent-gradient.js';
import type { AttackHooks } from './attack-hooks.js';
import { modelForSteps } from './attack-precision.js';
import type { AttackResult, Snapshot } from './attack-result.js';
import type { Goal } from './goal.js';
import { joinRows } from './image-rows.js';
import type { Judgement } from './losses.js';
import { type PgdOptions, resolvePgdOptions, stepLength } from './pgd-options.js';
import { createStepper, type Stepper } from './pgd-step.js';
import { modelScorer } from './scorer.js';
import { Standings, validateHooks } from './standings.js';
import { startOf } from './starts.js';
import { validateAttack } from './validate-attack.js';
import { InvalidAttackError } from './violations.js';
import { workingBatchSize } from './working-batch-size.js';

/** One restart of one image, on its way. */
interface Trial {
  readonly index: number;
  readonly restart: number;
  readonly stepper: Stepper;
  iterate: Float32Array;
  step: number;
}

/**
 * Projected gradient descent within an l_p ball and the pixel box (Eq. 2.3), for one image per row.
 *
 * `images` holds n flattened NHWC images in [0, 1]; `goal` one class and `sampleIds` one identity per image. The model is used in inference mode.
 * Random numbers are keyed by (seed, sample id, restart), directions are computed per image and finished images leave the working batch,
 * so that an image's result does not depend on its batch mates. Restarts are kept by success first, loss second, and images already broken
 * are not started again. Throws InvalidAttackError with every violation, NonFiniteLogitsError, or the abort signal's reason.
 */
export async function pgd(
  model: Classifier,
  images: Float32Array,
  goal: Goal,
  sampleIds: Int32Array,
  options: Partial<PgdOptions> = {},
  hooks: AttackHooks = {},
): Promise<AttackResult> {
  const resolved = resolvePgdOptions(options);
  const { inputShape, classes } = model;
  const violations = validateAttack({ inputShape, classes, images, goal, sampleIds, options: resolved });
  violations.push(...validateHooks(hooks, sampleIds.length, classes));
  if (violations.length > 0) throw new InvalidAttackError(violations);
  return await new PgdRun(model, images, goal, sampleIds, resolved, hooks).run();
}

class PgdRun {
  /** In the precision of the steps. */
  readonly #model: Classifier;
  readonly #options: PgdOptions;
  readonly #hooks: AttackHooks;
  readonly #sampleIds: Int32Array;
  readonly #standings: Standings;
  readonly #snapshots: Snapshot[];
  readonly #gradientSteps: Int32Array;
  readonly #restartsUsed: Int32Array;
  readonly #zeroGradientSteps: Int32Array;
  readonly #queries: Int32Array;
  #gradientImageSteps = 0;
  #forwardImagePasses = 0;
  #finished = 0;

  constructor(
    model: Classifier,
    images: Float32Array,
    goal: Goal,
    sampleIds: Int32Array,
    options: PgdOptions,
    hooks: AttackHooks,
  ) {
    const count = sampleIds.length;
    this.#model = modelForSteps(model, options.precision);
    this.#options = options;
    this.#hooks = hooks;
    this.#sampleIds = sampleIds;
    this.#standings = new Standings(modelScorer(model), images, goal, count, options, hooks);
    this.#snapshots = this.#emptySnapshots(images.length);
    this.#gradientSteps = new Int32Array(count);
    this.#restartsUsed = new Int32Array(count);
    this.#zeroGradientSteps = new Int32Array(count);
    this.#queries = new Int32Array(count);
  }

  async run(): Promise<AttackResult> {
    await this.#standings.judgeCleanImages();
    const waiting = this.#firstTrials();
    const capacity = Math.min(this.#options.batchSize, this.#sampleIds.length);
    let active: Trial[] = [];
    while (active.length + waiting.length > 0) {
      const size = workingBatchSize(active.length + waiting.length, capacity);
      while (active.length < size && waiting.length > 0) active.push(this.#begin(waiting.shift() as [number, number]));
      const batch = active.slice(0, size);
      const ended = new Set<Trial>();
      await this.#advance(
        batch.filter((trial) => trial.step < this.#options.steps && this.#standings.epsilonOf(trial.index) > 0),
        ended,
      );
      await this.#conclude(
        batch.filter((trial) => !ended.has(trial) && this.#isAtEnd(trial)),
        ended,
      );
      for (const trial of ended) if (this.#mayRestart(trial)) waiting.push([trial.index, trial.restart + 1]);
      active = active.filter((trial) => !ended.has(trial));
      await this.#standings.breathe({
        finished: this.#finished,
        gradientImageSteps: this.#gradientImageSteps,
        gradientImageStepsAtMost: this.#sampleIds.length * this.#options.steps * this.#options.restarts,
      });
    }
    return this.#result();
  }

  /** Under first-success an image that meets the goal as it is needs no trial; its snapshots show the image itself. */
  #firstTrials(): [number, number][] {
    const trials: [number, number][] = [];
    for (let index = 0; index < this.#sampleIds.length; index++) {
      const standing = this.#standings.of(index);
      if (standing.success && this.#options.stop === 'first-success') {
        this.#fillSnapshots(index, 0, standing.image);
        this.#finished++;
      } else trials.push([index, 0]);
    }
    return trials;
  }

  #begin([index, restart]: [number, number]): Trial {
    const centre = this.#standings.rows[index] as Float32Array;
    const epsilon = this.#standings.epsilonOf(index);
    const iterate = startOf(centre, index, this.#sampleIds[index] as number, restart, epsilon, this.#options);
    const stepper = createStepper(centre, epsilon, stepLength(this.#options.step, epsilon), this.#options);
    this.#restartsUsed[index] = restart + 1;
    return { index, restart, stepper, iterate, step: 0 };
  }

  /** One gradient step for every trial; a trial that succeeds under first-success, or that can no longer move, ends here. */
  async #advance(trials: readonly Trial[], ended: Set<Trial>): Promise<void> {
    if (trials.length === 0) return;
    const iterates = trials.map((trial) => trial.iterate);
    const { logits: seen, gradient } = ascentGradient(
      this.#model,
      joinRows(iterates),
      trials.map((trial) => this.#standings.aimOf(trial.index)),
      this.#options.loss,
    );
    this.#gradientImageSteps += trials.length;
    const logits = await this.#confirmed(trials, iterates, seen);
    for (const [row, trial] of trials.entries()) {
      this.#gradientSteps[trial.index] = (this.#gradientSteps[trial.index] as number) + 1;
      const judgement = this.#judgeTrial(trial, logits, row);
      const stopsHere = this.#options.stop === 'first-success' && this.#standings.succeeds(judgement);
      if (stopsHere || this.#options.keep === 'best') this.#consider(trial, judgement);
      if (stopsHere) {
        this.#end(trial, ended);
        continue;
      }
      const length = trial.iterate.length;
      const outcome = trial.stepper(trial.iterate, gradient.subarray(row * length, (row + 1) * length));
      if (outcome.zeroGradient) {
        this.#zeroGradientSteps[trial.index] = (this.#zeroGradientSteps[trial.index] as number) + 1;
      }
      if (outcome.zeroGradient || !outcome.moved) {
        this.#consider(trial, judgement);
        this.#end(trial, ended);
        continue;
      }
      trial.iterate = outcome.next;
      trial.step++;
      this.#recordSnapshot(trial);
    }
  }

  /** A forward pass for the trials that have taken their last step. */
  async #conclude(trials: readonly Trial[], ended: Set<Trial>): Promise<void> {
    if (trials.length === 0) return;
    const iterates = trials.map((trial) => trial.iterate);
    const seen = forwardLogits(this.#model, joinRows(iterates), trials.length);
    this.#forwardImagePasses += trials.length;
    const logits = await this.#confirmed(trials, iterates, seen);
    for (const [row, trial] of trials.entries()) {
      this.#consider(trial, this.#judgeTrial(trial, logits, row));
      this.#end(trial, ended);
    }
  }

  #confirmed(trials: readonly Trial[], iterates: readonly Float32Array[], seen: Float32Array): Promise<Float32Array> {
    return this.#standings.confirmed(
      trials.map((trial) => trial.index),
      iterates,
      seen,
    );
  }

  #isAtEnd(trial: Trial): boolean {
    return trial.step >= this.#options.steps || this.#standings.epsilonOf(trial.index) === 0;
  }

  #judgeTrial(trial: Trial, logits: Float32Array, row: number): Judgement {
    this.#queries[trial.index] = (this.#queries[trial.index] as number) + 1;
    return this.#standings.judge(trial.index, logits, row);
  }

  /** Success first, loss second; with keep = last the clean image never stands in for a trial. */
  #consider(trial: Trial, judgement: Judgement): void {
    const replacesClean = this.#options.keep === 'last' && this.#standings.of(trial.index).restart < 0;
    if (!replacesClean && !this.#standings.isBetter(trial.index, judgement)) return;
    const { iterate: image, restart, step } = trial;
    this.#standings.set(trial.index, { image, judgement, success: this.#standings.succeeds(judgement), restart, step });
  }

  #end(trial: Trial, ended: Set<Trial>): void {
    ended.add(trial);
    if (trial.restart === 0) this.#fillSnapshots(trial.index, trial.step, trial.iterate);
    if (!this.#mayRestart(trial)) this.#finished++;
  }

  #mayRestart(trial: Trial): boolean {
    const broken = this.#standings.of(trial.index).success;
    return !broken && trial.restart + 1 < this.#options.restarts && this.#standings.epsilonOf(trial.index) > 0;
  }

  #emptySnapshots(values: number): Snapshot[] {
    const every = this.#options.snapshotsEvery;
    if (every === undefined) return [];
    const count = Math.floor(this.#options.steps / every);
    return Array.from({ length: count }, (_, i) => ({ step: (i + 1) * every, images: new Float32Array(values) }));
  }

  #recordSnapshot(trial: Trial): void {
    const every = this.#options.snapshotsEvery;
    if (every === undefined || trial.restart > 0 || trial.step % every !== 0) return;
    this.#snapshots[trial.step / every - 1]?.images.set(trial.iterate, trial.index * trial.iterate.length);
    this.#hooks.onSnapshot?.(trial.index, trial.step, trial.iterate);
  }

  #fillSnapshots(index: number, afterStep: number, image: Float32Array): void {
    for (const snapshot of this.#snapshots) {
      if (snapshot.step > afterStep) snapshot.images.set(image, index * image.length);
    }
  }

  async #result(): Promise<AttackResult> {
    return await this.#standings.result({
      gradientSteps: this.#gradientSteps,
      restartsUsed: this.#restartsUsed,
      zeroGradientSteps: this.#zeroGradientSteps,
      queries: this.#queries,
      snapshots: this.#snapshots,
      gradientImageSteps: this.#gradientImageSteps,
      forwardImagePasses: this.#forwardImagePasses,
    });
  }
}
