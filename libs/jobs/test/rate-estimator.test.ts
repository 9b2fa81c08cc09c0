import { describe, expect, test } from 'vitest';
import { RateEstimator } from '../src/rate-estimator.js';

describe('RateEstimator', () => {
  test('knows nothing before a second measurement', () => {
    const rate = new RateEstimator();
    expect(rate.secondsUntil(10)).toBeUndefined();
    rate.update(0, 0);
    expect(rate.secondsUntil(10)).toBeUndefined();
    rate.update(0, 1_000);
    expect(rate.secondsUntil(10)).toBeUndefined();
  });

  test('is exact for a steady rate', () => {
    const rate = new RateEstimator();
    for (let second = 0; second <= 20; second++) {
      rate.update(second * 2, second * 1_000);
    }
    expect(rate.secondsUntil(100)).toBeCloseTo(30, 9);
    expect(rate.secondsUntil(10)).toBe(0);
  });

  test('follows a change of rate within minutes', () => {
    const rate = new RateEstimator();
    let done = 0;
    let second = 0;
    for (; second < 100; second++) {
      done += 10;
      rate.update(done, second * 1_000);
    }
    for (; second < 400; second++) {
      done += 1;
      rate.update(done, second * 1_000);
    }
    expect(rate.secondsUntil(done + 100)).toBeGreaterThan(95);
    expect(rate.secondsUntil(done + 100)).toBeLessThan(101);
  });

  test('starts anew when the count falls, as after a return to a checkpoint', () => {
    const rate = new RateEstimator();
    rate.update(0, 0);
    rate.update(100, 1_000);
    rate.update(50, 2_000);
    expect(rate.secondsUntil(100)).toBeUndefined();
    rate.update(51, 3_000);
    expect(rate.secondsUntil(100)).toBeCloseTo(49, 9);
  });
});
