import {
  defaultPgdOptions,
  distance,
  forwardLogits,
  judge,
  runAttack,
  type Violation,
  validateAttack,
} from '@percept/attacks';
import type { Classifier } from '@percept/models';
import {
  budgetPosition,
  InvalidProfileError,
  type NamedAttack,
  type ProfileSettings,
  profileAttackPlan,
  validateProfileSettings,
  witnessMargin,
} from './profile-settings.js';
import { type CurvePoint, robustAccuracyCurve } from './robust-accuracy-curve.js';
import { type Samples, selectSamples, valuesPerImage } from './samples.js';
import type { LedgerEntry, Witness, WitnessLedger } from './witness-ledger.js';

/** How far a running profile has come. */
export interface ProfileProgress {
  readonly phase: 'clean' | 'budgets' | 'confirmations';
  /** The attack at work, and its budget in pixel units; absent while bisecting, where budgets differ per sample. */
  readonly attack?: string;
  readonly epsilon?: number;
  /** Samples without a witness at any budget so far. */
  readonly standing: number;
  readonly samples: number;
  /** Share of the work that is done, in [0, 1]; never falls. */
  readonly fraction: number;
  readonly gradientImageSteps: number;
}

/** How a caller follows and stops a profile. */
export interface ProfileHooks {
  /** Checked before every attack step; the profile then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  onProgress?(progress: ProfileProgress): void;
  /** Called whenever a budget has been attacked: the curve as far as it is known, an upper bound on what it will be. */
  onCurve?(curve: readonly CurvePoint[]): void;
}

/**
 * Finds, for every sample, the smallest budget of the grid that breaks it, and keeps the image that proves it.
 *
 * Untargeted attacks against the true labels, in inference mode. A success counts once a fresh forward pass confirms it with the witness margin,
 * at the smallest budget of the grid that holds its distance. Accuracy is over all samples: a clean error is broken at budget 0.
 * A sample's entry does not depend on the others, so that shards merge exactly.
 * Throws InvalidProfileError, the attacks' errors, or the abort signal's reason.
 */
export async function profile(
  model: Classifier,
  samples: Samples,
  settings: ProfileSettings,
  hooks: ProfileHooks = {},
): Promise<WitnessLedger> {
  const violations = [...validateProfileSettings(settings, model.classes), ...validateSamples(model, samples)];
  if (violations.length > 0) throw new InvalidProfileError(violations);
  return await new ProfileRun(model, samples, settings, hooks).run();
}

function validateSamples(model: Classifier, samples: Samples): Violation[] {
  const { images, labels, ids } = samples;
  if (ids.length === 0) return [{ field: 'samples', description: 'at least one sample is needed' }];
  const goal = { kind: 'untargeted', labels } as const;
  const { inputShape, classes } = model;
  const violations = validateAttack({ inputShape, classes, images, goal, sampleIds: ids, options: defaultPgdOptions });
  if (new Set(ids).size < ids.length)
    violations.push({ field: 'ids', description: 'every sample needs an id of its own' });
  return violations.map(({ field, description }) => ({
    field: `samples.${field.replace('sampleIds', 'ids')}`,
    description,
  }));
}

class ProfileRun {
  readonly #model: Classifier;
  readonly #samples: Samples;
  readonly #settings: ProfileSettings;
  readonly #hooks: ProfileHooks;
  readonly #length: number;
  readonly #cleanPredictions: Int32Array;
  readonly #cleanLogits: Float32Array;
  readonly #witnesses: (Witness | undefined)[];
  /** Where the last attack on each sample ended, for strategies that go on from there. */
  readonly #iterates: (Float32Array | undefined)[];
  #gradientImageSteps = 0;
  #forwardImagePasses = 0;
  #zeroGradientSteps = 0;
  #rejectedWitnesses = 0;
  #fraction = 0;

  constructor(model: Classifier, samples: Samples, settings: ProfileSettings, hooks: ProfileHooks) {
    const count = samples.ids.length;
    this.#model = model;
    this.#samples = samples;
    this.#settings = settings;
    this.#hooks = hooks;
    this.#length = valuesPerImage(samples);
    this.#cleanPredictions = new Int32Array(count);
    this.#cleanLogits = new Float32Array(count * model.classes);
    this.#witnesses = new Array<Witness | undefined>(count).fill(undefined);
    this.#iterates = new Array<Float32Array | undefined>(count).fill(undefined);
  }

  async run(): Promise<WitnessLedger> {
    this.#judgeCleanImages();
    this.#hooks.onCurve?.(robustAccuracyCurve(this.#ledger()));
    if (this.#settings.strategy === 'bisect') await this.#bisect();
    else await this.#ascend(this.#settings.strategy === 'ascending');
    await this.#confirm();
    return this.#ledger();
  }

  #judgeCleanImages(): void {
    const { images, labels, ids } = this.#samples;
    this.#forward(images, ids.length, (index, logits, offset) => {
      const { prediction } = this.#judge(logits, offset, index);
      this.#cleanPredictions[index] = prediction;
      this.#cleanLogits.set(logits.subarray(offset, offset + this.#model.classes), index * this.#model.classes);
      if (prediction === labels[index]) return;
      const image = images.slice(index * this.#length, (index + 1) * this.#length);
      this.#witnesses[index] = { budget: 0, attack: 'clean', restart: -1, step: 0, image };
    });
    this.#progress('clean', 0);
  }

  async #ascend(carry: boolean): Promise<void> {
    const { grid, attacks } = this.#settings;
    const rounds = (grid.length - 1) * attacks.length;
    for (let budget = 1; budget < grid.length; budget++) {
      for (const [order, attack] of attacks.entries()) {
        const done = ((budget - 1) * attacks.length + order) / rounds;
        const standing = this.#positions((witness) => witness === undefined);
        const epsilons = standing.map(() => grid[budget] as number);
        await this.#attack(attack, standing, epsilons, carry, (part) => ['budgets', done + part / rounds]);
      }
      this.#hooks.onCurve?.(robustAccuracyCurve(this.#ledger()));
    }
  }

  /** Per sample, tries budgets between the largest that held and the smallest that broke, the first at two thirds of the grid. */
  async #bisect(): Promise<void> {
    const { grid, attacks } = this.#settings;
    const rounds = Math.ceil(Math.log(grid.length) / Math.log(1.5)) * attacks.length;
    const everySample = (): boolean => true;
    await this.#narrow(attacks, everySample, nextBudget, (round, part) => [
      'budgets',
      Math.min((round + part) / rounds, 1),
    ]);
  }

  /**
   * Narrows the budgets of each sample that `include` names down to two neighbours, at the smaller of which these attacks leave it standing.
   * `first` chooses the budget tried first, between one that held and one that broke.
   */
  async #narrow(
    attacks: readonly NamedAttack[],
    include: (index: number) => boolean,
    first: (held: number, broke: number) => number,
    progressAt: (round: number, part: number) => [phase: 'budgets' | 'confirmations', part: number],
  ): Promise<void> {
    const { grid } = this.#settings;
    const held = new Int32Array(this.#witnesses.length);
    const included = this.#positions((_, index) => include(index));
    let next = first;
    for (let round = 0; ; next = nextBudget) {
      const open = included.filter((index) => this.#breaksAt(index) - (held[index] as number) > 1);
      if (open.length === 0) return;
      const tried = new Map(open.map((index) => [index, next(held[index] as number, this.#breaksAt(index))]));
      for (const attack of attacks) {
        const untouched = open.filter((index) => this.#breaksAt(index) > (tried.get(index) as number));
        const epsilons = untouched.map((index) => grid[tried.get(index) as number] as number);
        const at = round++;
        await this.#attack(attack, untouched, epsilons, false, (part) => progressAt(at, part));
      }
      for (const [index, budget] of tried) if (this.#breaksAt(index) > budget) held[index] = budget;
      this.#hooks.onCurve?.(robustAccuracyCurve(this.#ledger()));
    }
  }

  /** The smallest budget known to break a sample; an unbroken one's lies one past the grid, so that the largest is tried too. */
  #breaksAt(index: number): number {
    return this.#witnesses[index]?.budget ?? this.#settings.grid.length;
  }

  async #confirm(): Promise<void> {
    const { grid, confirmations } = this.#settings;
    for (const [order, { at, attack }] of confirmations.entries()) {
      const progressAt = (part: number): [phase: 'confirmations', part: number] => [
        'confirmations',
        (order + Math.min(part, 1)) / confirmations.length,
      ];
      if (at.kind === 'frontier') {
        // Most samples hold at their frontier and are done with it, so that the first round is nearly all of the work.
        await this.#narrow(
          [attack],
          (index) => (grid[this.#breaksAt(index) - 1] ?? Number.NEGATIVE_INFINITY) >= at.from,
          (_, broke) => broke - 1,
          (round, part) => progressAt(1 - 0.1 ** (round + part)),
        );
        continue;
      }
      const budget = budgetPosition(grid, at.epsilon);
      const standing = this.#positions((_, index) => this.#breaksAt(index) > budget);
      const epsilons = standing.map(() => grid[budget] as number);
      await this.#attack(attack, standing, epsilons, false, progressAt);
      this.#hooks.onCurve?.(robustAccuracyCurve(this.#ledger()));
    }
  }

  /** Attacks the samples at `positions`, each within its own budget, and enters what a fresh forward pass confirms. */
  async #attack(
    attack: NamedAttack,
    positions: readonly number[],
    epsilons: readonly number[],
    carry: boolean,
    progressAt: (part: number) => [phase: 'budgets' | 'confirmations', part: number],
  ): Promise<void> {
    if (positions.length === 0) return;
    const subset = selectSamples(this.#samples, positions);
    const largest = Math.max(...epsilons);
    const plan = profileAttackPlan(this.#settings, attack, largest);
    const starts = carry && plan.kind === 'pgd' ? this.#carriedStarts(positions) : undefined;
    const spent = this.#gradientImageSteps;
    const result = await runAttack(
      { kind: 'gradients', model: this.#model },
      starts === undefined || plan.kind !== 'pgd'
        ? plan
        : { kind: 'pgd', options: { ...plan.options, start: 'given', startImages: starts } },
      subset.images,
      { kind: 'untargeted', labels: subset.labels },
      subset.ids,
      {
        epsilons: Float64Array.from(epsilons),
        cleanLogits: this.#cleanLogitsOf(positions),
        ...(this.#hooks.signal === undefined ? {} : { signal: this.#hooks.signal }),
        onStep: ({ gradientImageSteps, gradientImageStepsAtMost }) => {
          this.#gradientImageSteps = spent + gradientImageSteps;
          const epsilon = epsilons.every((value) => value === largest) ? largest : undefined;
          const part = Math.min(gradientImageSteps / gradientImageStepsAtMost, 1);
          this.#progress(...progressAt(part), attack.name, epsilon);
        },
      },
    );
    this.#gradientImageSteps = spent + result.cost.gradientImageSteps;
    this.#forwardImagePasses += result.cost.forwardImagePasses;
    this.#zeroGradientSteps += result.zeroGradientSteps.reduce((sum, steps) => sum + steps, 0);
    const rowOf = (row: number): Float32Array => result.images.slice(row * this.#length, (row + 1) * this.#length);
    const found: { position: number; witness: Witness }[] = [];
    for (const [row, position] of positions.entries()) {
      const image = rowOf(row);
      this.#iterates[position] = image;
      if (result.success[row] !== 1) continue;
      const budget = this.#smallestBudget(distance(image, this.#cleanImage(position), this.#settings.norm));
      const restart = result.keptRestart[row] as number;
      found.push({
        position,
        witness: { budget, attack: attack.name, restart, step: result.keptStep[row] as number, image },
      });
    }
    this.#enterConfirmed(found);
    this.#progress(...progressAt(1), attack.name);
  }

  /** Only what a forward pass of its own misclassifies by the margin is entered, and only where it improves on what is known. */
  #enterConfirmed(found: readonly { position: number; witness: Witness }[]): void {
    const images = new Float32Array(found.length * this.#length);
    for (const [row, { witness }] of found.entries()) images.set(witness.image, row * this.#length);
    this.#forward(images, found.length, (row, logits, offset) => {
      const { position, witness } = found[row] as { position: number; witness: Witness };
      const { margin, largestLogit } = this.#judge(logits, offset, position);
      if (!(margin > witnessMargin * largestLogit)) {
        this.#rejectedWitnesses++;
        return;
      }
      const known = this.#witnesses[position];
      if (known === undefined || witness.budget < known.budget) this.#witnesses[position] = witness;
    });
  }

  /** The position in the grid of the smallest budget that holds `reach`; an attack's result never lies beyond its own budget. */
  #smallestBudget(reach: number): number {
    return this.#settings.grid.findIndex((epsilon, budget) => budget > 0 && reach <= epsilon);
  }

  /** Starts where the last attacks ended; undefined before the first, which starts as its options say. */
  #carriedStarts(positions: readonly number[]): Float32Array | undefined {
    const starts = new Float32Array(positions.length * this.#length);
    for (const [row, position] of positions.entries()) {
      const iterate = this.#iterates[position];
      if (iterate === undefined) return undefined;
      starts.set(iterate, row * this.#length);
    }
    return starts;
  }

  #cleanLogitsOf(positions: readonly number[]): Float32Array {
    const { classes } = this.#model;
    const logits = new Float32Array(positions.length * classes);
    for (const [row, position] of positions.entries()) {
      logits.set(this.#cleanLogits.subarray(position * classes, (position + 1) * classes), row * classes);
    }
    return logits;
  }

  #cleanImage(position: number): Float32Array {
    return this.#samples.images.subarray(position * this.#length, (position + 1) * this.#length);
  }

  #positions(keep: (witness: Witness | undefined, index: number) => boolean): number[] {
    return this.#witnesses.flatMap((witness, index) => (keep(witness, index) ? [index] : []));
  }

  #forward(
    images: Float32Array,
    count: number,
    visit: (row: number, logits: Float32Array, offset: number) => void,
  ): void {
    const { batchSize } = this.#settings;
    for (let first = 0; first < count; first += batchSize) {
      this.#hooks.signal?.throwIfAborted();
      const batch = Math.min(batchSize, count - first);
      const logits = forwardLogits(
        this.#model,
        images.slice(first * this.#length, (first + batch) * this.#length),
        batch,
      );
      this.#forwardImagePasses += batch;
      for (let row = 0; row < batch; row++) visit(first + row, logits, row * this.#model.classes);
    }
  }

  #judge(logits: Float32Array, offset: number, position: number): ReturnType<typeof judge> {
    const goalClass = this.#samples.labels[position] as number;
    return judge(
      logits,
      offset,
      this.#model.classes,
      { kind: 'untargeted', goalClass, cleanClass: goalClass },
      'margin',
    );
  }

  /** Budgets count for nine tenths of the work where confirmations follow. */
  #progress(phase: ProfileProgress['phase'], part: number, attack?: string, epsilon?: number): void {
    const share = this.#settings.confirmations.length > 0 ? 0.9 : 1;
    const fraction = phase === 'clean' ? 0 : phase === 'budgets' ? share * part : share + (1 - share) * part;
    this.#fraction = Math.min(1, Math.max(this.#fraction, fraction));
    this.#hooks.onProgress?.({
      phase,
      ...(attack === undefined ? {} : { attack }),
      ...(epsilon === undefined ? {} : { epsilon }),
      standing: this.#witnesses.reduce((sum, witness) => sum + Number(witness === undefined), 0),
      samples: this.#witnesses.length,
      fraction: this.#fraction,
      gradientImageSteps: this.#gradientImageSteps,
    });
  }

  #ledger(): WitnessLedger {
    const { norm, grid } = this.#settings;
    const { labels, ids } = this.#samples;
    const entries = this.#witnesses.map((witness, index): LedgerEntry => {
      const entry = {
        id: ids[index] as number,
        label: labels[index] as number,
        cleanPrediction: this.#cleanPredictions[index] as number,
      };
      return witness === undefined ? entry : { ...entry, witness };
    });
    return {
      norm,
      grid,
      inputShape: this.#model.inputShape,
      classes: this.#model.classes,
      entries,
      cost: {
        gradientImageSteps: this.#gradientImageSteps,
        forwardImagePasses: this.#forwardImagePasses,
        zeroGradientSteps: this.#zeroGradientSteps,
        rejectedWitnesses: this.#rejectedWitnesses,
      },
    };
  }
}

/** Where to cut the budgets between one that held and one that broke: at two thirds, for an attack that fails takes all its steps. */
function nextBudget(held: number, broke: number): number {
  return held + Math.max(1, Math.floor((2 * (broke - held)) / 3));
}
