import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scheduledStep } from '../src/index.js';

const schedule = { totalSteps: 100, peakStep: 40, maxLearningRate: 0.2, momentum: 0.9, momentumAtPeak: 0.8 };

describe('scheduledStep', () => {
  it.each([
    [0, 0, 0.9],
    [20, 0.1, 0.85],
    [40, 0.2, 0.8],
    [70, 0.1, 0.85],
  ])('at step %d has the rate %d and the momentum %d', (step, learningRate, momentum) => {
    const actual = scheduledStep(schedule, step);
    expect(actual.learningRate).toBeCloseTo(learningRate, 12);
    expect(actual.momentum).toBeCloseTo(momentum, 12);
  });

  it('never leaves its bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 500 }), fc.nat(500), fc.nat(600), (totalSteps, peak, step) => {
        const { learningRate } = scheduledStep({ ...schedule, totalSteps, peakStep: Math.min(peak, totalSteps) }, step);
        expect(learningRate).toBeGreaterThanOrEqual(0);
        expect(learningRate).toBeLessThanOrEqual(0.2);
      }),
    );
  });
});
