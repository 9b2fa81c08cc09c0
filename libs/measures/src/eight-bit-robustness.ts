import { distance, forwardLogits, judge } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { witnessMargin } from './profile-settings.js';
import { type CurvePoint, robustAccuracyCurve } from './robust-accuracy-curve.js';
import { type Samples, valuesPerImage } from './samples.js';
import type { LedgerEntry, WitnessLedger } from './witness-ledger.js';

const levels = 255;

/**
 * The robust-accuracy curve against perturbations that survive being stored as 8-bit images: a witness counts where its rounded copy still lies within its budget and is still
 * misclassified by the witness margin. Never below the curve of the ledger itself, and like it an upper bound: rounded copies are not attacked anew.
 *
 * A pixel goes to its nearest level, and where that leaves the ball towards the clean image. Throws RangeError for a sample that is not given.
 */
export function eightBitRobustness(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  batchSize = 128,
): CurvePoint[] {
  const length = valuesPerImage(samples);
  const positionOf = new Map(Array.from(samples.ids, (id, position) => [id, position]));
  const surviving = new Set<number>();
  const attacked = ledger.entries.filter(({ witness }) => witness !== undefined && witness.budget > 0);
  for (let first = 0; first < attacked.length; first += batchSize) {
    const batch = attacked.slice(first, first + batchSize);
    const images = new Float32Array(batch.length * length);
    for (const [row, entry] of batch.entries())
      images.set(roundedWitness(entry, samples, positionOf, ledger), row * length);
    const logits = forwardLogits(model, images, batch.length);
    for (const [row, { id, label }] of batch.entries()) {
      const aim = { kind: 'untargeted', goalClass: label, cleanClass: label } as const;
      const { margin, largestLogit } = judge(logits, row * model.classes, model.classes, aim, 'margin');
      if (margin > witnessMargin * largestLogit) surviving.add(id);
    }
  }
  const entries = ledger.entries.map((entry): LedgerEntry => {
    if (entry.witness === undefined || entry.witness.budget === 0 || surviving.has(entry.id)) return entry;
    const { witness: _, ...standing } = entry;
    return standing;
  });
  return robustAccuracyCurve({ ...ledger, entries });
}

function roundedWitness(
  { id, witness }: LedgerEntry,
  samples: Samples,
  positionOf: ReadonlyMap<number, number>,
  { grid, norm }: WitnessLedger,
): Float32Array {
  const position = positionOf.get(id);
  if (position === undefined || witness === undefined) throw new RangeError(`sample ${id} is not among those given`);
  const length = valuesPerImage(samples);
  const clean = samples.images.subarray(position * length, (position + 1) * length);
  return roundWithinBall(witness.image, clean, grid[witness.budget] as number, norm);
}

/**
 * The 8-bit image nearest to `image` within `epsilon` of `clean`: each pixel at its nearest level, or, where those together leave the ball, the pixels that
 * moved away from `clean` by rounding at their level on its side. Within the ball where `clean` is itself an 8-bit image.
 */
export function roundWithinBall(image: Float32Array, clean: Float32Array, epsilon: number, norm: number): Float32Array {
  const nearest = image.map((value) => Math.round(value * levels) / levels);
  if (distance(nearest, clean, norm) <= epsilon) return nearest;
  return nearest.map((level, i) => {
    const value = image[i] as number;
    const origin = clean[i] as number;
    if (Math.abs(level - origin) <= Math.abs(value - origin)) return level;
    return (value > origin ? Math.floor(value * levels) : Math.ceil(value * levels)) / levels;
  });
}
