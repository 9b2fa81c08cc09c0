import { describe, expect, it } from 'vitest';
import { classCollapse, wilsonInterval } from '../src/index.js';

describe('wilsonInterval', () => {
  // Newcombe (1998), table I, method 3.
  it.each([
    { count: 81, n: 263, lower: 0.2553, upper: 0.3662 },
    { count: 15, n: 148, lower: 0.0624, upper: 0.1605 },
    { count: 0, n: 20, lower: 0, upper: 0.1611 },
    { count: 1, n: 29, lower: 0.0061, upper: 0.1718 },
  ])('gives the published bounds for $count of $n', ({ count, n, lower, upper }) => {
    const interval = wilsonInterval(count, n);
    expect(interval.lower).toBeCloseTo(lower, 4);
    expect(interval.upper).toBeCloseTo(upper, 4);
  });

  it.each([
    [1, 0],
    [-1, 5],
    [6, 5],
    [Number.NaN, 5],
  ])('refuses %d of %d', (count, n) => {
    expect(() => wilsonInterval(count, n)).toThrow(RangeError);
  });
});

describe('classCollapse', () => {
  it('flags a classifier that says one class whatever it sees', () => {
    const predictions = Int32Array.from({ length: 100 }, (_, i) => (i < 97 ? 8 : i % 10));
    expect(classCollapse(predictions, 10)).toMatchObject({ topClass: 8, topShare: 0.98, collapsed: true });
  });

  it('does not flag an even spread, nor predictions as narrow as the labels', () => {
    const even = Int32Array.from({ length: 100 }, (_, i) => i % 10);
    expect(classCollapse(even, 10).relativeEntropy).toBeCloseTo(1, 12);
    const narrow = Int32Array.from({ length: 50 }, (_, i) => i % 2);
    expect(classCollapse(narrow, 10, narrow).collapsed).toBe(false);
    expect(classCollapse(narrow, 10).collapsed).toBe(true);
  });
});
