import type { Precision } from '@percept/tensor';
import type { AttackHooks, AttackProgress } from './attack-hooks.js';
import type { AttackResult, Snapshot } from './attack-result.js';
import { type Goal, goalClasses } from './goal.js';
import { joinRows, splitRows } from './image-rows.js';
import { type Aim, argmax, type Judgement, judge, type LossName } from './losses.js';
import { distance } from './norms.js';
import { roundTo8Bits } from './round-to-8-bits.js';
import { breathe, scoreInBatches } from './score-in-batches.js';
import { finiteScores, type Scorer } from './scorer.js';
import type { Violation } from './violations.js';

/** What decides how images are judged, whichever attack is at work. */
export interface JudgingOptions {
  readonly norm: number;
  readonly epsilon: number;
  readonly loss: LossName;
  readonly successMargin: number;
  readonly checkAt8Bits: boolean;
  readonly precision: Precision;
  readonly batchSize: number;
}

/** The best that is known about one image. Restart -1 is the image itself. */
export interface Standing {
  readonly image: Float32Array;
  readonly judgement: Judgement;
  readonly success: boolean;
  readonly restart: number;
  readonly step: number;
  /** The member of an ensemble that found it. */
  readonly attack?: string;
}

/** What an attack spent on its images; one entry per image but for the totals. */
export interface AttackSpending {
  readonly gradientSteps: Int32Array;
  readonly restartsUsed: Int32Array;
  readonly zeroGradientSteps: Int32Array;
  readonly queries: Int32Array;
  readonly snapshots: readonly Snapshot[];
  readonly gradientImageSteps: number;
  readonly forwardImagePasses: number;
}

/** The images under attack, what is wanted of them, and the best that is known about each. */
export class Standings {
  readonly rows: readonly Float32Array[];
  readonly #aims: Aim[] = [];
  readonly #before: Judgement[] = [];
  readonly #standings: Standing[] = [];
  readonly #scorer: Scorer;
  readonly #goal: Goal;
  readonly #options: JudgingOptions;
  readonly #hooks: AttackHooks;
  readonly #unconfirmed: Int32Array;
  /** Forward passes for clean and for rounded images and to confirm; those of the attack itself are not counted here. */
  #forwardImagePasses = 0;

  /** `scorer` is the model in float32, whatever the attack's steps are computed in. */
  constructor(
    scorer: Scorer,
    images: Float32Array,
    goal: Goal,
    count: number,
    options: JudgingOptions,
    hooks: AttackHooks,
  ) {
    this.#scorer = scorer;
    this.#goal = goal;
    this.#options = options;
    this.#hooks = hooks;
    this.rows = splitRows(images, count);
    this.#unconfirmed = new Int32Array(count);
  }

  /** Judges every image as it is; must come first. `visit` sees each row of logits. */
  async judgeCleanImages(visit?: (index: number, logits: Float32Array) => void): Promise<void> {
    const { classes } = this.#scorer;
    const goals = goalClasses(this.#goal);
    const note = (index: number, logits: Float32Array, offset: number): void => {
      const cleanClass = argmax(logits, offset, classes);
      const aim: Aim = { kind: this.#goal.kind, goalClass: goals[index] as number, cleanClass };
      const judgement = judge(logits, offset, classes, aim, this.#options.loss);
      this.#aims[index] = aim;
      this.#before[index] = judgement;
      const image = this.rows[index] as Float32Array;
      this.#standings[index] = { image, judgement, success: this.succeeds(judgement), restart: -1, step: 0 };
      visit?.(index, logits.slice(offset, offset + classes));
    };
    const known = this.#hooks.cleanLogits;
    if (known === undefined) await this.#forwardAll(this.rows, note);
    else for (let index = 0; index < this.rows.length; index++) note(index, known, index * classes);
  }

  of(index: number): Standing {
    return this.#standings[index] as Standing;
  }

  set(index: number, standing: Standing): void {
    this.#standings[index] = standing;
  }

  aimOf(index: number): Aim {
    return this.#aims[index] as Aim;
  }

  /** The budget of image `index`. */
  epsilonOf(index: number): number {
    return this.#hooks.epsilons?.[index] ?? this.#options.epsilon;
  }

  /**
   * The logits by which `points` are judged, one point of image `indexes[row]` a row: `seen`, what the attack's pass saw, in float32. In bfloat16 those
   * of a float32 pass take the place of every row that seems to succeed, so that nothing succeeds but in float32.
   */
  async confirmed(
    indexes: readonly number[],
    points: readonly Float32Array[],
    seen: Float32Array,
  ): Promise<Float32Array> {
    if (this.#options.precision === 'float32') return seen;
    const rows = indexes.map((_, row) => row);
    const seeming = rows.filter((row) => this.succeeds(this.judge(indexes[row] as number, seen, row)));
    if (seeming.length === 0) return seen;
    const { classes } = this.#scorer;
    const exact = await finiteScores(
      this.#scorer,
      seeming.map((row) => points[row] as Float32Array),
    );
    this.#forwardImagePasses += seeming.length;
    const logits = seen.slice();
    for (const [i, row] of seeming.entries()) {
      const index = indexes[row] as number;
      logits.set(exact.subarray(i * classes, (i + 1) * classes), row * classes);
      if (!this.succeeds(this.judge(index, logits, row))) {
        this.#unconfirmed[index] = (this.#unconfirmed[index] as number) + 1;
      }
    }
    return logits;
  }

  judge(index: number, logits: Float32Array, row: number): Judgement {
    const { classes } = this.#scorer;
    return judge(logits, row * classes, classes, this.#aims[index] as Aim, this.#options.loss);
  }

  succeeds(judgement: Judgement): boolean {
    return judgement.margin > this.#options.successMargin * judgement.largestLogit;
  }

  /** Whether `judgement` is better than what is known: success first, loss second. */
  isBetter(index: number, judgement: Judgement): boolean {
    const standing = this.of(index);
    const success = this.succeeds(judgement);
    const direction = this.#goal.kind === 'untargeted' ? 1 : -1;
    return success === standing.success ? direction * (judgement.loss - standing.judgement.loss) > 0 : success;
  }

  get succeeded(): number {
    return this.#standings.reduce((sum, standing) => sum + Number(standing.success), 0);
  }

  /** After a step of the working batch: tells how far the attack is, lets messages of other threads arrive (a cancellation among them), then stops if told to. */
  async breathe(progress: Omit<AttackProgress, 'images' | 'succeeded'>): Promise<void> {
    this.#hooks.onStep?.({ ...progress, images: this.rows.length, succeeded: this.succeeded });
    await breathe(this.#hooks.signal);
  }

  /** The attack's result as it stands. */
  async result(spent: AttackSpending): Promise<AttackResult> {
    if (this.#options.precision !== 'float32') await this.#judgeInFloat32();
    const standings = this.#standings;
    const after = standings.map((standing) => standing.judgement);
    const successAt8Bits = this.#options.checkAt8Bits ? await this.#successAt8Bits() : undefined;
    const distanceIn = (p: number): Float64Array =>
      Float64Array.from(standings, (standing, i) => distance(standing.image, this.rows[i] as Float32Array, p));
    return {
      precision: this.#options.precision,
      unconfirmedSuccesses: this.#unconfirmed,
      images: joinRows(standings.map((standing) => standing.image)),
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
      gradientSteps: spent.gradientSteps,
      restartsUsed: spent.restartsUsed,
      keptRestart: Int32Array.from(standings, (standing) => standing.restart),
      keptStep: Int32Array.from(standings, (standing) => standing.step),
      keptAttack: standings.map((standing) => standing.attack ?? ''),
      zeroGradientSteps: spent.zeroGradientSteps,
      queries: spent.queries,
      snapshots: spent.snapshots,
      cost: {
        gradientImageSteps: spent.gradientImageSteps,
        forwardImagePasses: spent.forwardImagePasses + this.#forwardImagePasses,
      },
    };
  }

  /** What was kept without a success was judged in the steps' precision. */
  async #judgeInFloat32(): Promise<void> {
    const images = this.#standings.map((standing) => standing.image);
    const { classes } = this.#scorer;
    await this.#forwardAll(images, (index, logits, offset) => {
      const judgement = this.judge(index, logits, offset / classes);
      this.set(index, { ...this.of(index), judgement, success: this.succeeds(judgement) });
    });
  }

  async #successAt8Bits(): Promise<Uint8Array> {
    const success = new Uint8Array(this.#standings.length);
    const { classes } = this.#scorer;
    const rounded = this.#standings.map((standing) => roundTo8Bits(standing.image));
    await this.#forwardAll(rounded, (index, logits, offset) => {
      const judgement = this.judge(index, logits, offset / classes);
      success[index] = Number(this.succeeds(judgement));
    });
    return success;
  }

  async #forwardAll(
    rows: readonly Float32Array[],
    visit: (index: number, logits: Float32Array, offset: number) => void,
  ): Promise<void> {
    const { classes } = this.#scorer;
    await scoreInBatches(this.#scorer, rows, this.#options.batchSize, this.#hooks.signal, (logits, first) => {
      const count = logits.length / classes;
      this.#forwardImagePasses += count;
      for (let row = 0; row < count; row++) visit(first + row, logits, row * classes);
    });
  }
}

/** Violations of the budgets and logits that a caller gives beside the options. */
export function validateHooks(hooks: AttackHooks, count: number, classes: number): Violation[] {
  const violations: Violation[] = [];
  const { epsilons, cleanLogits } = hooks;
  if (epsilons !== undefined && epsilons.length !== count) {
    violations.push({ field: 'epsilons', description: `needs one budget per image (${count})` });
  } else if (epsilons?.some((epsilon) => !(epsilon >= 0 && epsilon < Number.POSITIVE_INFINITY))) {
    violations.push({ field: 'epsilons', description: 'every budget must be finite and at least 0' });
  }
  if (cleanLogits !== undefined && cleanLogits.length !== count * classes) {
    violations.push({ field: 'cleanLogits', description: `needs ${classes} logits per image` });
  }
  return violations;
}
