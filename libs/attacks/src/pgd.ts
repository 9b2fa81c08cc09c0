import { setImmediate as yieldToEventLoop } from 'node:timers/promises';
import type { Classifier } from '@percept/models';
import { ascentGradient, forwardLogits } from './ascent-gradient.js';
import type { AttackResult, Snapshot } from './attack-result.js';
import { type Goal, goalClasses } from './goal.js';
import { type Aim, argmax, type Judgement, judge } from './losses.js';
import { distance } from './norms.js';
import { type PgdOptions, resolvePgdOptions, stepLength } from './pgd-options.js';
import { createStepper, type Stepper } from './pgd-step.js';
import { roundTo8Bits } from './round-to-8-bits.js';
import { startOf } from './starts.js';
import { validateAttack } from './validate-attack.js';
import { InvalidAttackError } from './violations.js';
import { workingBatchSize } from './working-batch-size.js';

/** How far a running attack has come. */
export interface AttackProgress {
  readonly images: number;
  readonly finished: number;
  readonly succeeded: number;
  readonly gradientImageSteps: number;
  /** The most gradient image-steps this attack can take; early successes take fewer. */
  readonly gradientImageStepsAtMost: number;
}

/** How a caller follows and stops an attack. */
export interface AttackHooks {
  /** Checked before every step; the attack then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after every step of the working batch. */
  onStep?(progress: AttackProgress): void;
  /** Called when restart 0 of image `index` has taken `step` steps, every `snapshotsEvery`; `image` must not be changed. */
  onSnapshot?(index: number, step: number, image: Float32Array): void;
  /** One budget per image instead of options.epsilon for all; each >= 0. */
  readonly epsilons?: Float64Array;
  /** The model's logits of `images` (n x classes) where the caller has them, sparing a forward pass per image. */
  readonly cleanLogits?: Float32Array;
}

/** One restart of one image, on its way. */
interface Trial {
  readonly index: number;
  readonly restart: number;
  readonly stepper: Stepper;
  iterate: Float32Array;
  step: number;
}

/** The best that is known about one image. */
interface Standing {
  image: Float32Array;
  judgement: Judgement;
  success: boolean;
  restart: number;
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
  violations.push(...validateEpsilons(hooks.epsilons, sampleIds.length));
  if (hooks.cleanLogits !== undefined && hooks.cleanLogits.length !== sampleIds.length * classes) {
    violations.push({ field: 'cleanLogits', description: `needs ${classes} logits per image` });
  }
  if (violations.length > 0) throw new InvalidAttackError(violations);
  return await new PgdRun(model, images, goal, sampleIds, resolved, hooks).run();
}

class PgdRun {
  readonly #model: Classifier;
  readonly #options: PgdOptions;
  readonly #hooks: AttackHooks;
  readonly #sampleIds: Int32Array;
  readonly #rows: Float32Array[];
  readonly #goal: Goal;
  readonly #snapshots: Snapshot[];
  #aims: Aim[] = [];
  #before: Judgement[] = [];
  #standings: Standing[] = [];
  readonly #gradientSteps: Int32Array;
  readonly #restartsUsed: Int32Array;
  readonly #zeroGradientSteps: Int32Array;
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
    this.#model = model;
    this.#options = options;
    this.#hooks = hooks;
    this.#sampleIds = sampleIds;
    this.#goal = goal;
    const length = images.length / Math.max(count, 1);
    this.#rows = Array.from({ length: count }, (_, i) => images.subarray(i * length, (i + 1) * length));
    this.#snapshots = this.#emptySnapshots(images.length);
    this.#gradientSteps = new Int32Array(count);
    this.#restartsUsed = new Int32Array(count);
    this.#zeroGradientSteps = new Int32Array(count);
  }

  async run(): Promise<AttackResult> {
    await this.#judgeCleanImages();
    const waiting = this.#firstTrials();
    const capacity = Math.min(this.#options.batchSize, this.#rows.length);
    let active: Trial[] = [];
    while (active.length + waiting.length > 0) {
      const size = workingBatchSize(active.length + waiting.length, capacity);
      while (active.length < size && waiting.length > 0) active.push(this.#begin(waiting.shift() as [number, number]));
      const batch = active.slice(0, size);
      const ended = new Set<Trial>();
      this.#advance(
        batch.filter((trial) => trial.step < this.#options.steps && this.#epsilonOf(trial.index) > 0),
        ended,
      );
      this.#conclude(
        batch.filter((trial) => !ended.has(trial) && this.#isAtEnd(trial)),
        ended,
      );
      for (const trial of ended) if (this.#mayRestart(trial)) waiting.push([trial.index, trial.restart + 1]);
      active = active.filter((trial) => !ended.has(trial));
      this.#report();
      await this.#breathe();
    }
    return this.#result();
  }

  async #judgeCleanImages(): Promise<void> {
    const { classes } = this.#model;
    const goals = goalClasses(this.#goal);
    const note = (index: number, logits: Float32Array, offset: number): void => {
      const cleanClass = argmax(logits, offset, classes);
      const aim: Aim = { kind: this.#goal.kind, goalClass: goals[index] as number, cleanClass };
      const judgement = judge(logits, offset, classes, aim, this.#options.loss);
      this.#aims[index] = aim;
      this.#before[index] = judgement;
      const image = this.#rows[index] as Float32Array;
      this.#standings[index] = { image, judgement, success: this.#succeeds(judgement), restart: -1, step: 0 };
    };
    const known = this.#hooks.cleanLogits;
    if (known === undefined) await this.#forwardAll(this.#rows, note);
    else for (let index = 0; index < this.#rows.length; index++) note(index, known, index * classes);
  }

  /** Under first-success an image that meets the goal as it is needs no trial; its snapshots show the image itself. */
  #firstTrials(): [number, number][] {
    const trials: [number, number][] = [];
    for (const [index, standing] of this.#standings.entries()) {
      if (standing.success && this.#options.stop === 'first-success') {
        this.#fillSnapshots(index, 0, standing.image);
        this.#finished++;
      } else trials.push([index, 0]);
    }
    return trials;
  }

  #begin([index, restart]: [number, number]): Trial {
    const centre = this.#rows[index] as Float32Array;
    const epsilon = this.#epsilonOf(index);
    const iterate = startOf(centre, index, this.#sampleIds[index] as number, restart, epsilon, this.#options);
    const stepper = createStepper(centre, epsilon, stepLength(this.#options.step, epsilon), this.#options);
    this.#restartsUsed[index] = restart + 1;
    return { index, restart, stepper, iterate, step: 0 };
  }

  /** One gradient step for every trial; a trial that succeeds under first-success, or that can no longer move, ends here. */
  #advance(trials: readonly Trial[], ended: Set<Trial>): void {
    if (trials.length === 0) return;
    const { logits, gradient } = ascentGradient(
      this.#model,
      concatenate(trials.map((trial) => trial.iterate)),
      trials.map((trial) => this.#aims[trial.index] as Aim),
      this.#options.loss,
    );
    this.#gradientImageSteps += trials.length;
    for (const [row, trial] of trials.entries()) {
      this.#gradientSteps[trial.index] = (this.#gradientSteps[trial.index] as number) + 1;
      const judgement = this.#judgeTrial(trial, logits, row);
      const stopsHere = this.#options.stop === 'first-success' && this.#succeeds(judgement);
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
  #conclude(trials: readonly Trial[], ended: Set<Trial>): void {
    if (trials.length === 0) return;
    const logits = forwardLogits(this.#model, concatenate(trials.map((trial) => trial.iterate)), trials.length);
    this.#forwardImagePasses += trials.length;
    for (const [row, trial] of trials.entries()) {
      this.#consider(trial, this.#judgeTrial(trial, logits, row));
      this.#end(trial, ended);
    }
  }

  #isAtEnd(trial: Trial): boolean {
    return trial.step >= this.#options.steps || this.#epsilonOf(trial.index) === 0;
  }

  #judgeTrial(trial: Trial, logits: Float32Array, row: number): Judgement {
    const { classes } = this.#model;
    return judge(logits, row * classes, classes, this.#aims[trial.index] as Aim, this.#options.loss);
  }

  /** Success first, loss second; with keep = last the clean image never stands in for a trial. */
  #consider(trial: Trial, judgement: Judgement): void {
    const standing = this.#standings[trial.index] as Standing;
    const success = this.#succeeds(judgement);
    const direction = this.#goal.kind === 'untargeted' ? 1 : -1;
    const replacesClean = this.#options.keep === 'last' && standing.restart < 0;
    const better = success === standing.success ? direction * (judgement.loss - standing.judgement.loss) > 0 : success;
    if (!replacesClean && !better) return;
    const { iterate: image, restart, step } = trial;
    this.#standings[trial.index] = { image, judgement, success, restart, step };
  }

  #succeeds(judgement: Judgement): boolean {
    return judgement.margin > this.#options.successMargin * judgement.largestLogit;
  }

  #end(trial: Trial, ended: Set<Trial>): void {
    ended.add(trial);
    if (trial.restart === 0) this.#fillSnapshots(trial.index, trial.step, trial.iterate);
    if (!this.#mayRestart(trial)) this.#finished++;
  }

  #mayRestart(trial: Trial): boolean {
    const broken = (this.#standings[trial.index] as Standing).success;
    return !broken && trial.restart + 1 < this.#options.restarts && this.#epsilonOf(trial.index) > 0;
  }

  #epsilonOf(index: number): number {
    return this.#hooks.epsilons?.[index] ?? this.#options.epsilon;
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

  async #forwardAll(
    rows: readonly Float32Array[],
    visit: (index: number, logits: Float32Array, offset: number) => void,
  ): Promise<void> {
    const { classes } = this.#model;
    for (let first = 0; first < rows.length; first += this.#options.batchSize) {
      await this.#breathe();
      const batch = rows.slice(first, first + this.#options.batchSize);
      const logits = forwardLogits(this.#model, concatenate(batch), batch.length);
      this.#forwardImagePasses += batch.length;
      for (let row = 0; row < batch.length; row++) visit(first + row, logits, row * classes);
    }
  }

  #report(): void {
    const images = this.#rows.length;
    this.#hooks.onStep?.({
      images,
      finished: this.#finished,
      succeeded: this.#standings.reduce((sum, standing) => sum + Number(standing.success), 0),
      gradientImageSteps: this.#gradientImageSteps,
      gradientImageStepsAtMost: images * this.#options.steps * this.#options.restarts,
    });
  }

  /** Lets messages of other threads arrive (a cancellation among them), then stops if told to. */
  async #breathe(): Promise<void> {
    await yieldToEventLoop();
    this.#hooks.signal?.throwIfAborted();
  }

  async #result(): Promise<AttackResult> {
    const standings = this.#standings;
    const after = standings.map((standing) => standing.judgement);
    const successAt8Bits = this.#options.checkAt8Bits ? await this.#successAt8Bits() : undefined;
    const distanceIn = (p: number): Float64Array =>
      Float64Array.from(standings, (standing, i) => distance(standing.image, this.#rows[i] as Float32Array, p));
    return {
      images: concatenate(standings.map((standing) => standing.image)),
      success: Uint8Array.from(standings, (standing) => Number(standing.success)),
      ...(successAt8Bits === undefined ? {} : { successAt8Bits }),
      predictionBefore: Int32Array.from(this.#before, (judgement) => judgement.prediction),
      predictionAfter: Int32Array.from(after, (judgement) => judgement.prediction),
      confidenceBefore: Float64Array.from(this.#before, (judgement) => judgement.confidence),
      confidenceAfter: Float64Array.from(after, (judgement) => judgement.confidence),
      goalConfidenceBefore: Float64Array.from(this.#before, (judgement) => judgement.goalConfidence),
      goalConfidenceAfter: Float64Array.from(after, (judgement) => judgement.goalConfidence),
      lossBefore: Float64Array.from(this.#before, (judgement) => judgement.loss),
      lossAfter: Float64Array.from(after, (judgement) => judgement.loss),
      marginAfter: Float64Array.from(after, (judgement) => judgement.margin),
      largestLogitAfter: Float64Array.from(after, (judgement) => judgement.largestLogit),
      distances: {
        l1: distanceIn(1),
        l2: distanceIn(2),
        linf: distanceIn(Number.POSITIVE_INFINITY),
        norm: distanceIn(this.#options.norm),
      },
      gradientSteps: this.#gradientSteps,
      restartsUsed: this.#restartsUsed,
      keptRestart: Int32Array.from(standings, (standing) => standing.restart),
      keptStep: Int32Array.from(standings, (standing) => standing.step),
      zeroGradientSteps: this.#zeroGradientSteps,
      snapshots: this.#snapshots,
      cost: { gradientImageSteps: this.#gradientImageSteps, forwardImagePasses: this.#forwardImagePasses },
    };
  }

  async #successAt8Bits(): Promise<Uint8Array> {
    const success = new Uint8Array(this.#standings.length);
    const { classes } = this.#model;
    const rounded = this.#standings.map((standing) => roundTo8Bits(standing.image));
    await this.#forwardAll(rounded, (index, logits, offset) => {
      const judgement = judge(logits, offset, classes, this.#aims[index] as Aim, this.#options.loss);
      success[index] = Number(this.#succeeds(judgement));
    });
    return success;
  }
}

function validateEpsilons(epsilons: Float64Array | undefined, count: number): { field: string; description: string }[] {
  if (epsilons === undefined) return [];
  if (epsilons.length !== count) return [{ field: 'epsilons', description: `needs one budget per image (${count})` }];
  return epsilons.every((epsilon) => epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY)
    ? []
    : [{ field: 'epsilons', description: 'every budget must be finite and at least 0' }];
}

function concatenate(rows: readonly Float32Array[]): Float32Array {
  const length = rows[0]?.length ?? 0;
  const joined = new Float32Array(rows.length * length);
  for (const [row, values] of rows.entries()) joined.set(values, row * length);
  return joined;
}
