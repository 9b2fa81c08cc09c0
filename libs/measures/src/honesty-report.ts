import type { AttackHooks } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { attackHonesty, everyAttack, standingSamples, wholeBox } from './attack-honesty.js';
import { classCollapse, collapseThreshold } from './class-collapse.js';
import { atLeast, atMost, type HonestyIndicator, notRun } from './honesty-indicator.js';
import { modelHonesty } from './model-honesty.js';
import { budgetPosition, type ProfileSettings } from './profile-settings.js';
import { robustAccuracyCurve } from './robust-accuracy-curve.js';
import { type Samples, selectSamples } from './samples.js';
import { transferredWitnesses } from './transferred-witnesses.js';
import { verifyWitnesses } from './verify-witnesses.js';
import type { WitnessLedger } from './witness-ledger.js';

/** What the checks need besides the ledger. */
export interface HonestyOptions {
  /** The profile's own settings. */
  readonly settings: ProfileSettings;
  /** The positive budget of the grid at which attacks are compared, in pixel units. */
  readonly epsilon: number;
  /** Ledgers of other models over the same samples and grid, whose witnesses are tried on this one. */
  readonly others?: readonly WitnessLedger[];
  /** Standing samples that costly attacks are tried on, the first so many; default 30. */
  readonly comparedSamples?: number;
  /** Samples on which the whole-box attack is tried, the first so many; default 100. */
  readonly unboundedSamples?: number;
  /** Queries of the score-based attack per sample; default 100. */
  readonly queries?: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/**
 * Checks a profile against the signs of a misleading evaluation: AutoAttack's flags, Carlini et al.'s checklist, Pintor et al.'s indicators and class collapse, each
 * with its number, its limit and what to do where it fails. AutoAttack's flag on defences that optimise while they answer is left out: a model here is weights run by
 * a fixed graph, without code of its own. Throws the attacks' errors, the abort signal's reason, or RangeError for a budget outside the grid.
 */
export async function honestyReport(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  options: HonestyOptions,
): Promise<HonestyIndicator[]> {
  const { settings, seed, others = [], comparedSamples = 30, unboundedSamples = 100, queries = 100, signal } = options;
  const budget = budgetPosition(ledger.grid, options.epsilon);
  if (budget < 1) throw new RangeError(`${options.epsilon} is no positive budget of the grid`);
  const hooks: AttackHooks = signal === undefined ? {} : { signal };
  const broken = new Set(
    ledger.entries.flatMap(({ id, witness }) => (witness !== undefined && witness.budget <= budget ? [id] : [])),
  );
  const standing = standingSamples(samples, broken);
  return [
    ...ledgerHonesty(model, samples, ledger, settings),
    ...modelHonesty(model, firstSamples(samples, comparedSamples), seed),
    ...(await attackHonesty({
      model,
      settings,
      epsilon: ledger.grid[budget] as number,
      standing,
      compared: firstSamples(standing, comparedSamples),
      queries,
      samples: samples.ids.length,
      seed,
      hooks,
    })),
    transferredWitnesses(model, ledger, others, budget, settings.batchSize),
    await wholeBox(model, firstSamples(samples, unboundedSamples), seed, hooks),
  ];
}

/** Searching attacks that follow the DLR loss. */
const dlrMethods: ReadonlySet<string> = new Set(['apgd-dlr', 'apgd-t', 'autoattack']);

/** What the ledger alone tells. */
function ledgerHonesty(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  settings: ProfileSettings,
): HonestyIndicator[] {
  const { checked, refuted } = verifyWitnesses(model, samples, ledger, settings.batchSize);
  const { gradientImageSteps, zeroGradientSteps, rejectedWitnesses } = ledger.cost;
  const predictions = Int32Array.from(ledger.entries, (entry) => entry.cleanPrediction);
  const labels = Int32Array.from(ledger.entries, (entry) => entry.label);
  const collapse = classCollapse(predictions, ledger.classes, labels);
  const usesDlr = everyAttack(settings).some((attack) =>
    attack.method === undefined ? attack.options.loss === 'dlr' : dlrMethods.has(attack.method),
  );
  const dlr = {
    name: 'classes-for-dlr',
    source: 'AutoAttack flags',
    description: 'classes of the model, of which the DLR loss needs three',
    limit: 3,
    advice: 'Attack along the margin or the cross-entropy.',
  };
  return [
    atMost(
      {
        name: 'refuted-witnesses',
        source: 'witness ledger',
        description: 'witnesses that a forward pass of their own does not confirm',
        limit: 0,
        advice:
          'Do not use the curve: its witnesses are not of this model or these samples, or the model answers at random.',
      },
      refuted.length,
    ),
    atMost(
      {
        name: 'unconfirmed-successes',
        source: 'witness ledger',
        description:
          'successes that a fresh forward pass did not confirm by the witness margin, as a share of the witnesses',
        limit: 0.01,
        advice: 'The model’s answers waver: see whether it answers at random, and raise the attack’s success margin.',
      },
      rejectedWitnesses / Math.max(checked, 1),
    ),
    atMost(
      {
        name: 'zero-gradient-share',
        source: 'AutoAttack flags; Pintor et al.',
        description: 'share of attack steps whose gradient was zero everywhere',
        limit: 0.01,
        advice: 'Attack along another loss or by scores alone (square): these gradients lead nowhere.',
      },
      zeroGradientSteps / Math.max(gradientImageSteps, 1),
    ),
    atMost(
      {
        name: 'accuracy-at-largest-budget',
        source: 'Carlini et al. checklist',
        description: 'robust accuracy at the largest budget of the grid, which should not exceed chance',
        limit: 1 / ledger.classes,
        advice: 'Extend the grid until accuracy is gone; where it stays, the attack is too weak.',
      },
      robustAccuracyCurve(ledger).at(-1)?.accuracy.estimate ?? 0,
    ),
    atLeast(
      {
        name: 'class-collapse',
        source: 'section 4.1: TRADES with beta 10,000',
        description: `entropy of the predicted classes relative to the labels’ (class ${collapse.topClass} takes ${(100 * collapse.topShare).toFixed(1)} %)`,
        limit: collapseThreshold,
        advice: 'The model says (nearly) one class whatever it sees: its curve is no robustness. Train it anew.',
      },
      collapse.relativeEntropy,
    ),
    usesDlr ? atLeast(dlr, ledger.classes) : notRun({ ...dlr, advice: 'The profile does not use the DLR loss.' }),
  ];
}

function firstSamples(samples: Samples, count: number): Samples {
  return selectSamples(
    samples,
    Array.from({ length: Math.min(count, samples.ids.length) }, (_, i) => i),
  );
}
