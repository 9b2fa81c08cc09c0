import { forwardLogits, judge } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { atMost, type HonestyCheck, type HonestyIndicator, notRun } from './honesty-indicator.js';
import { witnessMargin } from './profile-settings.js';
import type { LedgerEntry, WitnessLedger } from './witness-ledger.js';

const check: HonestyCheck = {
  name: 'transfer-beats-own-attack',
  source: 'Carlini et al. checklist; Pintor et al.',
  description:
    'samples that stand in the profile at the compared budget and fall to an image made against another model',
  limit: 0,
  advice: 'Images made elsewhere do better than the model’s own gradients: they are masked, or the attack is too weak.',
};

/**
 * Tries the witnesses of other models of the same samples, within the budget at position `budget` of the grid, on the samples that stand there: an attack that
 * cannot see the model must not beat one that can. Not run without other ledgers.
 */
export function transferredWitnesses(
  model: Classifier,
  ledger: WitnessLedger,
  others: readonly WitnessLedger[],
  budget: number,
  batchSize = 128,
): HonestyIndicator {
  if (others.length === 0) return notRun({ ...check, advice: 'Give a report several models to have it run.' });
  const standing = new Map(
    ledger.entries.flatMap((entry): [number, LedgerEntry][] =>
      entry.witness === undefined || entry.witness.budget > budget ? [[entry.id, entry]] : [],
    ),
  );
  const fallen = new Set<number>();
  for (const other of others) {
    const tried = other.entries.flatMap(({ id, witness }) => {
      const entry = standing.get(id);
      const fits = witness !== undefined && witness.budget > 0 && witness.budget <= budget;
      return entry !== undefined && fits && !fallen.has(id) ? [{ entry, image: witness.image }] : [];
    });
    for (let first = 0; first < tried.length; first += batchSize) {
      const batch = tried.slice(first, first + batchSize);
      const length = batch[0]?.image.length ?? 0;
      const images = new Float32Array(batch.length * length);
      for (const [row, { image }] of batch.entries()) images.set(image, row * length);
      const logits = forwardLogits(model, images, batch.length);
      for (const [row, { entry }] of batch.entries()) {
        const aim = { kind: 'untargeted', goalClass: entry.label, cleanClass: entry.label } as const;
        const { margin, largestLogit } = judge(logits, row * model.classes, model.classes, aim, 'margin');
        if (margin > witnessMargin * largestLogit) fallen.add(entry.id);
      }
    }
  }
  return atMost(check, fallen.size);
}
