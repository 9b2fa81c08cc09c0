import { describe, expect, it } from 'vitest';
import { cohenKappa, fleissKappa, InvalidAnswersError, labellingSet, scoreLabelling } from '../src/index.js';

const sources = ['standard', 'pgd'].flatMap((group) =>
  [0, 1, 2].map((target) => ({ group, target, image: Float32Array.of(target / 4) })),
);

describe('labellingSet', () => {
  const { items, key } = labellingSet(sources, 3);

  it('shows every picture once, in an order and under ids that tell nothing, with the key apart', () => {
    expect(items.map(({ image }) => image[0]).toSorted()).toEqual(sources.map(({ image }) => image[0]).toSorted());
    expect(items.every(({ id }) => /^[0-9a-f]{16}$/.test(id))).toBe(true);
    expect(items.every((item) => Object.keys(item).sort().join() === 'id,image')).toBe(true);
    expect(items.map(({ id }) => key[id]?.group)).not.toEqual(sources.map(({ group }) => group));
    for (const { id, image } of items) expect((key[id]?.target ?? -1) / 4).toBe(image[0]);
  });

  it('is the same for the same seed and in another order for another', () => {
    expect(labellingSet(sources, 3)).toEqual({ items, key });
    expect(labellingSet(sources, 4).items.map(({ id }) => id)).not.toEqual(items.map(({ id }) => id));
  });

  it('counts answers per group and reports agreement by the number of raters', () => {
    const perfect = Object.fromEntries(items.map(({ id }) => [id, key[id]?.target ?? null]));
    const blank = Object.fromEntries(
      items.map(({ id }) => [id, key[id]?.group === 'standard' ? null : (key[id]?.target ?? null)]),
    );
    const one = scoreLabelling(key, [{ rater: 'a', answers: blank }], 3);
    expect(one.groups['pgd']).toMatchObject({ estimate: 1, n: 3 });
    expect(one.groups['standard']).toMatchObject({ estimate: 0, n: 3 });
    expect(one.agreement).toBeUndefined();
    const raters = ['a', 'b', 'c'].map((rater) => ({ rater, answers: perfect }));
    expect(scoreLabelling(key, raters.slice(0, 2), 3).agreement).toEqual({ measure: 'Cohen', kappa: 1, pictures: 6 });
    expect(scoreLabelling(key, raters, 3).agreement).toEqual({ measure: 'Fleiss', kappa: 1, pictures: 6 });
  });

  it.each([
    ['an unknown picture', [{ rater: 'a', answers: { nothing: 1 } }], /nothing/],
    ['a class out of range', [{ rater: 'a', answers: { [items[0]?.id ?? '']: 3 } }], /class 3/],
    [
      'a rater twice',
      [
        { rater: 'a', answers: {} },
        { rater: 'a', answers: {} },
      ],
      /twice/,
    ],
  ] as const)('refuses %s', (_, sheets, message) => {
    expect(() => scoreLabelling(key, sheets, 3)).toThrow(InvalidAnswersError);
    expect(() => scoreLabelling(key, sheets, 3)).toThrow(message);
  });
});

describe('agreement', () => {
  it('gives the kappa of Cohen’s two-by-two example', () => {
    // 20 both yes, 5 and 10 apart, 15 both no: observed 0.7, expected 0.5.
    const pairs = [
      [20, 1, 1],
      [5, 1, 0],
      [10, 0, 1],
      [15, 0, 0],
    ].flatMap(([times, a, b]) => Array.from({ length: times as number }, () => [a, b] as [number, number]));
    expect(
      cohenKappa(
        pairs.map(([a]) => a),
        pairs.map(([, b]) => b),
      ),
    ).toBeCloseTo(0.4, 12);
  });

  it('gives the kappa of Fleiss’s example of ten subjects and fourteen raters', () => {
    const counts = [
      [0, 0, 0, 0, 14],
      [0, 2, 6, 4, 2],
      [0, 0, 3, 5, 6],
      [0, 3, 9, 2, 0],
      [2, 2, 8, 1, 1],
      [7, 7, 0, 0, 0],
      [3, 2, 6, 3, 0],
      [2, 5, 3, 2, 2],
      [6, 5, 2, 1, 0],
      [0, 2, 2, 3, 7],
    ];
    expect(fleissKappa(counts)).toBeCloseTo(0.21, 3);
  });

  it('refuses answers that do not pair up', () => {
    expect(() => cohenKappa([1], [1, 2])).toThrow(RangeError);
    expect(() => fleissKappa([[1, 0]])).toThrow(RangeError);
    expect(() =>
      fleissKappa([
        [2, 0],
        [1, 0],
      ]),
    ).toThrow(RangeError);
  });
});
