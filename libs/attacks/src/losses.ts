/** Losses an attack can follow. */
export type LossName = 'cross-entropy' | 'margin' | 'dlr';

/** The class an attack is about: the label it moves away from, or the target it moves towards. */
export interface Aim {
  readonly kind: 'untargeted' | 'targeted';
  readonly goalClass: number;
  /** The clean prediction, which the targeted DLR compares the target with. */
  readonly cleanClass: number;
}

/** What one row of logits says about one attacked image. */
export interface Judgement {
  readonly prediction: number;
  /** Softmax probability of the predicted class, in (0, 1]. */
  readonly confidence: number;
  /** Softmax probability of the label (untargeted) or the target (targeted), in [0, 1]. */
  readonly goalConfidence: number;
  /** The named loss; an untargeted attack raises it, a targeted attack lowers it. */
  readonly loss: number;
  /** How far the attack has succeeded, in logits: largest other logit minus the label's, or the target's minus the largest other. */
  readonly margin: number;
  /** The largest |logit|, the scale against which a margin counts. */
  readonly largestLogit: number;
}

/** The index of the largest of `logits[offset .. offset + classes)`, relative to offset; ties to the lowest index. */
export function argmax(logits: Float32Array, offset: number, classes: number): number {
  let best = 0;
  for (let k = 1; k < classes; k++) {
    if ((logits[offset + k] as number) > (logits[offset + best] as number)) best = k;
  }
  return best;
}

/** Judges the row of `classes` logits at `offset`, all sums in float64. DLR needs 3 classes, or 4 when targeted. */
export function judge(logits: Float32Array, offset: number, classes: number, aim: Aim, loss: LossName): Judgement {
  const z = (k: number): number => logits[offset + k] as number;
  const prediction = argmax(logits, offset, classes);
  const other = largestOther(logits, offset, classes, aim.goalClass);
  const top = z(prediction);
  let partition = 0;
  let largestLogit = 0;
  for (let k = 0; k < classes; k++) {
    partition += Math.exp(z(k) - top);
    largestLogit = Math.max(largestLogit, Math.abs(z(k)));
  }
  const gap = z(other) - z(aim.goalClass);
  return {
    prediction,
    confidence: 1 / partition,
    goalConfidence: Math.exp(z(aim.goalClass) - top) / partition,
    loss: lossValue(logits, offset, classes, aim, loss, gap, partition, top),
    margin: aim.kind === 'untargeted' ? gap : -gap,
    largestLogit,
  };
}

function lossValue(
  logits: Float32Array,
  offset: number,
  classes: number,
  aim: Aim,
  loss: LossName,
  gap: number,
  partition: number,
  top: number,
): number {
  if (loss === 'cross-entropy') return Math.log(partition) + top - (logits[offset + aim.goalClass] as number);
  if (loss === 'margin') return gap;
  const { numerator, spread } = dlrTerms(logits, offset, classes, aim);
  return spread > 0 ? numerator / spread : Math.sign(numerator);
}

/**
 * Writes into `cotangent[offset ..]` the direction of ascent of the attack's objective with respect to the logits, scaled per image to largest entry 1.
 *
 * The attack steps along J^T cotangent, whose length does not matter. Scaling in float64 keeps the direction exact where a float32
 * cross-entropy saturates: its gradient is (1 - f_y) (sum_{j != y} w_j e_j - e_y) with w the softmax over the other classes, and the factor is dropped.
 */
export function writeAscentCotangent(
  cotangent: Float32Array,
  logits: Float32Array,
  offset: number,
  classes: number,
  aim: Aim,
  loss: LossName,
): void {
  const goal = aim.goalClass;
  const other = largestOther(logits, offset, classes, goal);
  // Direction for the untargeted case (away from the goal class); a targeted attack ascends along its negative.
  const sign = aim.kind === 'untargeted' ? 1 : -1;
  for (let k = 0; k < classes; k++) cotangent[offset + k] = 0;
  if (loss === 'cross-entropy') {
    const top = logits[offset + other] as number;
    let sum = 0;
    for (let k = 0; k < classes; k++) if (k !== goal) sum += Math.exp((logits[offset + k] as number) - top);
    for (let k = 0; k < classes; k++) {
      if (k !== goal) cotangent[offset + k] = (sign * Math.exp((logits[offset + k] as number) - top)) / sum;
    }
    cotangent[offset + goal] = -sign;
    return;
  }
  if (loss === 'margin') {
    cotangent[offset + other] = sign;
    cotangent[offset + goal] = -sign;
    return;
  }
  writeDlrCotangent(cotangent, logits, offset, classes, aim, sign);
}

/** Gradient of N / D is (dN - (N / D) dD) / D; the positive factor 1 / D is dropped. Where D = 0 only dN remains. */
function writeDlrCotangent(
  cotangent: Float32Array,
  logits: Float32Array,
  offset: number,
  classes: number,
  aim: Aim,
  sign: number,
): void {
  const { numerator, spread, rival, order } = dlrTerms(logits, offset, classes, aim);
  const ratio = spread > 0 ? numerator / spread : 0;
  const gradient = new Float64Array(classes);
  const add = (k: number, value: number): void => {
    gradient[k] = (gradient[k] as number) + value;
  };
  add(rival, 1);
  add(aim.goalClass, -1);
  add(order[0] as number, -ratio);
  if (aim.kind === 'untargeted') add(order[2] as number, ratio);
  else {
    add(order[2] as number, ratio / 2);
    add(order[3] as number, ratio / 2);
  }
  let largest = 0;
  for (const value of gradient) largest = Math.max(largest, Math.abs(value));
  if (largest === 0) return;
  for (let k = 0; k < classes; k++) cotangent[offset + k] = (sign * (gradient[k] as number)) / largest;
}

/**
 * DLR of Croce and Hein (2020), signed so that a larger value is farther from the goal class:
 * untargeted (max_{j != y} z_j - z_y) / (z_(1) - z_(3)); targeted (z_clean - z_t) / (z_(1) - (z_(3) + z_(4)) / 2).
 */
function dlrTerms(
  logits: Float32Array,
  offset: number,
  classes: number,
  aim: Aim,
): { numerator: number; spread: number; rival: number; order: number[] } {
  const z = (k: number): number => logits[offset + k] as number;
  const order = Array.from({ length: classes }, (_, k) => k).sort((a, b) => z(b) - z(a) || a - b);
  const first = z(order[0] as number);
  const third = z(order[2] as number);
  if (aim.kind === 'untargeted') {
    const rival = largestOther(logits, offset, classes, aim.goalClass);
    return { numerator: z(rival) - z(aim.goalClass), spread: first - third, rival, order };
  }
  // A target that already is the clean prediction has no original class to leave: compare with the strongest other.
  const rival =
    aim.cleanClass === aim.goalClass ? largestOther(logits, offset, classes, aim.goalClass) : aim.cleanClass;
  const fourth = z(order[3] as number);
  return { numerator: z(rival) - z(aim.goalClass), spread: first - (third + fourth) / 2, rival, order };
}

function largestOther(logits: Float32Array, offset: number, classes: number, except: number): number {
  let best = except === 0 ? 1 : 0;
  for (let k = best + 1; k < classes; k++) {
    if (k !== except && (logits[offset + k] as number) > (logits[offset + best] as number)) best = k;
  }
  return best;
}
