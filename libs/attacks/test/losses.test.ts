import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Aim, judge, type LossName, writeAscentCotangent } from '../src/index.js';

const losses: LossName[] = ['cross-entropy', 'margin', 'dlr'];
const aims: Aim[] = [
  { kind: 'untargeted', goalClass: 2, cleanClass: 2 },
  { kind: 'targeted', goalClass: 2, cleanClass: 4 },
];
const cases = losses.flatMap((loss) => aims.map((aim) => ({ loss, aim, kind: aim.kind })));

/** Five logits at least 0.05 apart, so that no finite difference crosses a tie. */
const logitRow = fc
  .tuple(
    fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 5 }),
    fc.array(fc.double({ min: 0.05, max: 3, noNaN: true }), { minLength: 5, maxLength: 5 }),
  )
  .map(([order, gaps]) => {
    const row = new Float32Array(5);
    let value = -3;
    for (const [i, k] of order.entries()) {
      value += gaps[i] as number;
      row[k] = value;
    }
    return row;
  });

describe('writeAscentCotangent', () => {
  it.each(cases)(
    'is the gradient of the $loss that a $kind attack ascends, up to a positive factor',
    ({ loss, aim }) => {
      fc.assert(
        fc.property(logitRow, (logits) => {
          const cotangent = new Float32Array(5);
          writeAscentCotangent(cotangent, logits, 0, 5, aim, loss);
          const sign = aim.kind === 'untargeted' ? 1 : -1;
          const h = 2 ** -7;
          const numeric = Array.from(logits, (_, k) => {
            const at = (shift: number): number =>
              judge(
                logits.map((z, j) => (j === k ? z + shift : z)),
                0,
                5,
                aim,
                loss,
              ).loss;
            return (sign * (at(h) - at(-h))) / (2 * h);
          });
          const largest = Math.max(...numeric.map(Math.abs));
          if (largest < 1e-6) {
            // The label is third: its DLR is 1 whatever the logits, and there is no direction to take.
            expect(Math.max(...cotangent.map(Math.abs))).toBe(0);
            return;
          }
          for (const [k, value] of numeric.entries()) {
            expect(
              Math.abs(value / largest - (cotangent[k] as number) / Math.max(...cotangent.map(Math.abs))),
            ).toBeLessThan(0.03);
          }
        }),
        { seed: 13, numRuns: 200 },
      );
    },
  );

  it('keeps the direction of the cross-entropy where float32 has lost its length', () => {
    const cotangent = new Float32Array(3);
    writeAscentCotangent(
      cotangent,
      Float32Array.of(2000, 0, -1),
      0,
      3,
      { kind: 'untargeted', goalClass: 0, cleanClass: 0 },
      'cross-entropy',
    );
    expect(cotangent[0]).toBe(-1);
    expect(cotangent[1]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
    expect(cotangent[2]).toBeCloseTo(Math.exp(-1) / (1 + Math.exp(-1)), 6);
  });

  it('stays finite for dlr where the logits tie and its divisor is 0', () => {
    const cotangent = new Float32Array(4);
    const aim: Aim = { kind: 'untargeted', goalClass: 1, cleanClass: 1 };
    writeAscentCotangent(cotangent, new Float32Array(4), 0, 4, aim, 'dlr');
    expect(Array.from(cotangent)).toEqual([1, -1, 0, 0]);
    expect(judge(new Float32Array(4), 0, 4, aim, 'dlr').loss).toBe(0);
  });
});

describe('judge', () => {
  it('reads prediction, probabilities, margin and loss off one row among many', () => {
    const logits = Float32Array.of(9, 9, 9, 1, 3, 2);
    const judged = judge(logits, 3, 3, { kind: 'untargeted', goalClass: 2, cleanClass: 1 }, 'cross-entropy');
    const sum = Math.exp(1) + Math.exp(3) + Math.exp(2);
    expect(judged.prediction).toBe(1);
    expect(judged.confidence).toBeCloseTo(Math.exp(3) / sum, 12);
    expect(judged.goalConfidence).toBeCloseTo(Math.exp(2) / sum, 12);
    expect(judged.loss).toBeCloseTo(-Math.log(Math.exp(2) / sum), 12);
    expect(judged.margin).toBe(1);
    expect(judged.largestLogit).toBe(3);
  });

  it('succeeds towards a target only when that class leads', () => {
    const logits = Float32Array.of(1, 3, 2);
    expect(judge(logits, 0, 3, { kind: 'targeted', goalClass: 1, cleanClass: 0 }, 'margin').margin).toBe(1);
    expect(judge(logits, 0, 3, { kind: 'targeted', goalClass: 2, cleanClass: 0 }, 'margin').margin).toBe(-1);
  });
});
