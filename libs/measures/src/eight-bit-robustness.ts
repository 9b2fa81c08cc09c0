import { distance, forwardLogits, judge } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { witnessMargin } from './profile-settings.js';
import { type CurvePoint, robustAccuracyCurve } from './robust-accuracy-curve.js';
import { type Samples, valuesPerImage } from './samples.js';
import type { LedgerEntry, WitnessLedger } from './witness-ledger.js';

const levels = 255;

/**
 * The robust-accuracy curve against perturbations that survive being stored as 8-bit images. Never below the curve of the ledger itself, and like it an upper bound: no attack is run anew.
 *
 * A sample is broken at the smallest budget at which its witness, stretched from the clean image to that budget (at its own budget: as it is) and rounded within the ball, is
 * misclassified by the witness margin. Forward passes only. Throws RangeError for a sample that is not given.
 */
export function eightBitRobustness(
  model: Classifier,
  samples: Samples,
  ledger: WitnessLedger,
  batchSize = 128,
): CurvePoint[] {
  const { grid } = ledger;
  const positionOf = new Map(Array.from(samples.ids, (id, position) => [id, position]));
  const brokenAt = new Map<number, number>();
  for (let budget = 1; budget < grid.length; budget++) {
    const pending = ledger.entries.filter(
      ({ id, witness }) => witness !== undefined && witness.budget > 0 && witness.budget <= budget && !brokenAt.has(id),
    );
    for (let first = 0; first < pending.length; first += batchSize) {
      const batch = pending.slice(first, first + batchSize);
      const images = batch.map((entry) =>
        stretchedAndRounded(entry, cleanImage(entry, samples, positionOf), ledger, budget),
      );
      for (const [row, misclassified] of misclassifiedByMargin(model, images, batch).entries())
        if (misclassified) brokenAt.set((batch[row] as LedgerEntry).id, budget);
    }
  }
  const entries = ledger.entries.map((entry): LedgerEntry => {
    const { witness, ...standing } = entry;
    if (witness === undefined || witness.budget === 0) return entry;
    const budget = brokenAt.get(entry.id);
    return budget === undefined ? standing : { ...standing, witness: { ...witness, budget } };
  });
  return robustAccuracyCurve({ ...ledger, entries });
}

function misclassifiedByMargin(
  model: Classifier,
  images: readonly Float32Array[],
  entries: readonly LedgerEntry[],
): boolean[] {
  const length = images[0]?.length ?? 0;
  const joined = new Float32Array(images.length * length);
  for (const [row, image] of images.entries()) joined.set(image, row * length);
  const logits = forwardLogits(model, joined, images.length);
  return entries.map(({ label }, row) => {
    const aim = { kind: 'untargeted', goalClass: label, cleanClass: label } as const;
    const { margin, largestLogit } = judge(logits, row * model.classes, model.classes, aim, 'margin');
    return margin > witnessMargin * largestLogit;
  });
}

function cleanImage({ id }: LedgerEntry, samples: Samples, positionOf: ReadonlyMap<number, number>): Float32Array {
  const position = positionOf.get(id);
  if (position === undefined) throw new RangeError(`sample ${id} is not among those given`);
  const length = valuesPerImage(samples);
  return samples.images.subarray(position * length, (position + 1) * length);
}

function stretchedAndRounded(
  { witness }: LedgerEntry,
  clean: Float32Array,
  { grid, norm }: WitnessLedger,
  budget: number,
): Float32Array {
  const image = witness?.image ?? clean;
  const epsilon = grid[budget] as number;
  const stretch = witness === undefined || witness.budget === budget ? 1 : epsilon / distance(image, clean, norm);
  const stretched = image.map((value, i) => {
    const origin = clean[i] as number;
    return Math.min(1, Math.max(0, origin + stretch * (value - origin)));
  });
  return roundWithinBall(stretched, clean, epsilon, norm);
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
