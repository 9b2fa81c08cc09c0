import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { addEvents, emptyHistory, withPoint } from '../../page/src/job-history.js';
import { smooth } from '../../page/src/smooth.js';
import type { JobEventView } from '../../src/views.js';

describe('smooth', () => {
  it('changes nothing at weight 0', () => {
    expect(smooth([3, 1, 2], 0)).toEqual([3, 1, 2]);
  });

  it('starts at the first value and leaves a constant line as it is', () => {
    for (const value of smooth([5, 5, 5, 5], 0.9)) expect(value).toBeCloseTo(5, 12);
  });

  it('stays between the least and the greatest value', () => {
    const values = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 0.99, noNaN: true }), (line, weight) => {
        for (const value of smooth(line, weight)) {
          expect(value).toBeGreaterThanOrEqual(Math.min(...line) - 1e-6);
          expect(value).toBeLessThanOrEqual(Math.max(...line) + 1e-6);
        }
      }),
      { seed: 3 },
    );
  });

  it('passes a value that is not finite on without spoiling the rest', () => {
    expect(smooth([1, Number.NaN, 1], 0.5)).toEqual([1, Number.NaN, 1]);
  });
});

describe('withPoint', () => {
  it('keeps x in order whatever the order of arrival', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20 })), (xs) => {
        const line = xs.reduce((points, x) => withPoint(points, x, -x), { xs: [], ys: [] } as {
          xs: readonly number[];
          ys: readonly number[];
        });
        expect(line.xs).toEqual([...new Set(xs)].sort((a, b) => a - b));
        expect(line.ys).toEqual(line.xs.map((x) => -x));
      }),
      { seed: 5 },
    );
  });
});

describe('addEvents', () => {
  const profile = (sequence: number, epsilon: number, accuracy: number): JobEventView => ({
    kind: 'profile',
    sequence,
    at: 0,
    model: 'pgd',
    epsilon,
    accuracy,
    samples: 100,
    provisional: accuracy < 0.9,
  });

  it('replaces a point of the profile when it is measured better', () => {
    const first = addEvents(emptyHistory, [profile(1, 0, 0.9), profile(2, 0.1, 0.8)]);
    const second = addEvents(first, [profile(3, 0, 0.95)]);
    expect(second.profiles.get('pgd')).toEqual({ xs: [0, 0.1], ys: [0.95, 0.8] });
    expect([...addEvents(second, [profile(4, 0.1, 0.91)]).provisional]).toEqual([]);
    expect([...second.provisional]).toEqual(['pgd 0.1']);
    expect(first.profiles.get('pgd')).toEqual({ xs: [0, 0.1], ys: [0.9, 0.8] });
  });

  it('keeps the pictures of every step of a place in the order of the steps', () => {
    const picture = (sequence: number, step: number): JobEventView => ({
      kind: 'picture',
      sequence,
      at: 0,
      picture: { group: 'pgd', slot: '7', caption: '', href: `data:,${step}`, step, success: null },
    });
    const history = addEvents(emptyHistory, [picture(1, 10), picture(2, 0), picture(3, 10)]);
    expect(
      history.pictures
        .get('pgd')
        ?.get('7')
        ?.map((each) => each.step),
    ).toEqual([0, 10]);
  });

  it('drops the oldest lines of a very long log and says how many', () => {
    const lines = Array.from(
      { length: 2_500 },
      (_, index): JobEventView => ({ kind: 'log', sequence: index, at: 0, level: 'info', message: String(index) }),
    );
    const history = addEvents(emptyHistory, lines);
    expect(history.log).toHaveLength(2_000);
    expect(history.droppedLines).toBe(500);
    expect(history.log.at(-1)?.message).toBe('2499');
  });
});
