import { type AttackHooks, fgsm, type Goal, pgd } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { classCollapse } from './class-collapse.js';
import { budgetPosition, witnessMargin } from './profile-settings.js';
import { robustAccuracyCurve } from './robust-accuracy-curve.js';
import { type Samples, selectSamples } from './samples.js';
import { verifyWitnesses } from './verify-witnesses.js';
import type { WitnessLedger } from './witness-ledger.js';

/** One check of whether a profile may be believed. */
export interface HonestyIndicator {
  readonly name: string;
  /** Where the check comes from. */
  readonly source: string;
  readonly description: string;
  readonly value: number;
  /** What `value` is compared with. */
  readonly limit: number;
  readonly passes: boolean;
}

/** What the checks need besides the ledger. */
export interface HonestyOptions {
  /** The positive budget of the grid at which attacks are compared, in pixel units. */
  readonly epsilon: number;
  /** Samples on which the large-budget attack is tried, the first so many; default 100. */
  readonly unboundedSamples?: number;
  readonly seed: number;
  readonly batchSize?: number;
  readonly signal?: AbortSignal;
}

/**
 * Checks a profile against the signs of a misleading evaluation, each with its number: witnesses verified by an independent forward pass, zero gradients,
 * a single step that breaks what the profile's attacks did not, accuracy above chance at the largest budget, an attack over the whole
 * box that fails, and class collapse. Throws the attacks' errors, the abort signal's reason, or RangeError for a budget outside the grid.
 */
export async function honestyReport(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  options: HonestyOptions,
): Promise<HonestyIndicator[]> {
  const budget = budgetPosition(ledger.grid, options.epsilon);
  if (budget < 1) throw new RangeError(`${options.epsilon} is no positive budget of the grid`);
  const batchSize = options.batchSize ?? 128;
  const { checked, refuted } = verifyWitnesses(model, samples, ledger, batchSize);
  const { gradientImageSteps, zeroGradientSteps } = ledger.cost;
  const curve = robustAccuracyCurve(ledger);
  const predictions = Int32Array.from(ledger.entries, (entry) => entry.cleanPrediction);
  const collapse = classCollapse(
    predictions,
    ledger.classes,
    Int32Array.from(ledger.entries, (entry) => entry.label),
  );
  return [
    atMost(
      'refuted-witnesses',
      'witness ledger',
      'witnesses that an independent forward pass does not confirm',
      refuted.length,
      0,
    ),
    atMost(
      'zero-gradient-share',
      'AutoAttack flags; Pintor et al.',
      'share of attack steps whose gradient was zero everywhere',
      zeroGradientSteps / Math.max(gradientImageSteps, 1),
      0.01,
    ),
    atMost(
      'single-step-beats-iterative',
      'Carlini et al. checklist',
      'samples that stand in the profile at the compared budget and fall to one FGSM step',
      await brokenBySingleStep(model, samples, ledger, budget, batchSize, options),
      0,
    ),
    atMost(
      'accuracy-at-largest-budget',
      'Carlini et al. checklist',
      'robust accuracy at the largest budget of the grid, which should not exceed chance',
      curve.at(-1)?.accuracy.estimate ?? 0,
      1 / ledger.classes,
    ),
    atMost(
      'whole-box-robustness',
      'Carlini et al. checklist; ART security curve',
      'share of samples that withstand an attack free to set every pixel within the box',
      await standingInWholeBox(model, samples, batchSize, options),
      0,
    ),
    {
      name: 'class-collapse',
      source: 'section 4.1: TRADES with beta 10,000',
      description: `entropy of the predicted classes relative to the labels' (class ${collapse.topClass} takes ${(100 * collapse.topShare).toFixed(1)} %)`,
      value: collapse.relativeEntropy,
      limit: 0.5,
      passes: !collapse.collapsed,
    },
    atMost(
      'unconfirmed-successes',
      'witness ledger',
      'successes that a fresh forward pass did not confirm by the witness margin, against 1 % of the witnesses',
      ledger.cost.rejectedWitnesses,
      0.01 * checked,
    ),
  ];
}

function atMost(name: string, source: string, description: string, value: number, limit: number): HonestyIndicator {
  return { name, source, description, value, limit, passes: value <= limit };
}

async function brokenBySingleStep(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  budget: number,
  batchSize: number,
  options: HonestyOptions,
): Promise<number> {
  const broken = new Set(
    ledger.entries.flatMap(({ id, witness }) => (witness !== undefined && witness.budget <= budget ? [id] : [])),
  );
  const standing = Array.from(samples.ids.keys()).filter((position) => !broken.has(samples.ids[position] as number));
  const subset = selectSamples(samples, standing);
  const result = await fgsm(
    model,
    subset.images,
    untargeted(subset),
    subset.ids,
    {
      norm: ledger.norm,
      epsilon: ledger.grid[budget] as number,
      seed: options.seed,
      successMargin: witnessMargin,
      checkAt8Bits: false,
      batchSize,
    },
    hooksOf(options),
  );
  return result.success.reduce((sum, success) => sum + success, 0);
}

/** An l_inf budget of 1 lets every pixel take every value, so that nothing but a broken gradient or a constant model can withstand. */
async function standingInWholeBox(
  model: Classifier,
  samples: Samples,
  batchSize: number,
  options: HonestyOptions,
): Promise<number> {
  const count = Math.min(samples.ids.length, options.unboundedSamples ?? 100);
  if (count === 0) return 0;
  const subset = selectSamples(
    samples,
    Array.from({ length: count }, (_, i) => i),
  );
  const result = await pgd(
    model,
    subset.images,
    untargeted(subset),
    subset.ids,
    {
      epsilon: 1,
      start: 'origin',
      step: { kind: 'absolute', size: 0.05 },
      steps: 40,
      loss: 'margin',
      seed: options.seed,
      checkAt8Bits: false,
      batchSize,
    },
    hooksOf(options),
  );
  return 1 - result.success.reduce((sum, success) => sum + success, 0) / count;
}

function untargeted(samples: Samples): Goal {
  return { kind: 'untargeted', labels: samples.labels };
}

function hooksOf(options: HonestyOptions): AttackHooks {
  return options.signal === undefined ? {} : { signal: options.signal };
}
