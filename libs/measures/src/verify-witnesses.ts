import { distance, forwardLogits, judge } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { witnessMargin } from './profile-settings.js';
import { type Samples, valuesPerImage } from './samples.js';
import type { LedgerEntry, WitnessLedger } from './witness-ledger.js';

/** A witness that does not prove what the ledger says, and why. */
export interface RefutedWitness {
  readonly id: number;
  readonly reason: string;
}

/** The outcome of checking a ledger against a model and the samples. */
export interface WitnessVerification {
  readonly checked: number;
  readonly confirmed: number;
  readonly refuted: readonly RefutedWitness[];
}

/**
 * Checks every entry of a ledger by forward passes of its own, trusting nothing but the images: the witness lies in the box and within its budget of the
 * sample (float64), and the model misclassifies it (a clean error as it is, any other by the witness margin). `batchSize` images per pass at most.
 */
export function verifyWitnesses(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  batchSize = 128,
): WitnessVerification {
  const length = valuesPerImage(samples);
  const positionOf = new Map(Array.from(samples.ids, (id, position) => [id, position]));
  const refuted: RefutedWitness[] = [];
  const witnessed = ledger.entries.filter((entry) => entry.witness !== undefined);
  for (let first = 0; first < witnessed.length; first += batchSize) {
    const batch = witnessed.slice(first, first + batchSize);
    const images = new Float32Array(batch.length * length);
    for (const [row, { witness }] of batch.entries()) {
      if (witness?.image.length === length) images.set(witness.image, row * length);
    }
    const logits = forwardLogits(model, images, batch.length);
    for (const [row, entry] of batch.entries()) {
      const position = positionOf.get(entry.id);
      const reason =
        position === undefined
          ? 'the sample is not among those given'
          : refutation(entry, samples, position, ledger, logits, row, model.classes);
      if (reason !== undefined) refuted.push({ id: entry.id, reason });
    }
  }
  return { checked: witnessed.length, confirmed: witnessed.length - refuted.length, refuted };
}

function refutation(
  entry: LedgerEntry,
  samples: Samples,
  position: number,
  ledger: WitnessLedger,
  logits: Float32Array,
  row: number,
  classes: number,
): string | undefined {
  const { witness, label } = entry;
  if (witness === undefined) return undefined;
  const length = valuesPerImage(samples);
  const budget = ledger.grid[witness.budget];
  if (budget === undefined) return 'its budget is not in the grid';
  if (label !== samples.labels[position]) return 'its label is not the sample’s';
  if (witness.image.length !== length) return 'its image has the wrong shape';
  if (!witness.image.every((value) => value >= 0 && value <= 1)) return 'its image leaves [0, 1]';
  const clean = samples.images.subarray(position * length, (position + 1) * length);
  const reach = distance(witness.image, clean, ledger.norm);
  if (!(reach <= budget)) return `its distance ${reach} exceeds the budget ${budget}`;
  const aim = { kind: 'untargeted', goalClass: label, cleanClass: label } as const;
  const { prediction, margin, largestLogit } = judge(logits, row * classes, classes, aim, 'margin');
  if (witness.budget === 0 ? prediction === label : !(margin > witnessMargin * largestLogit)) {
    return `the model does not misclassify it (margin ${margin})`;
  }
  return undefined;
}
