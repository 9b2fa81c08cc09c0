import { describe, expect, it } from 'vitest';
import { OverallProgress } from '../src/overall-progress.js';

describe('OverallProgress', () => {
  it('weighs every part by its cost', () => {
    const overall = new OverallProgress({ training: 30, report: 10 });
    expect(overall.update('training', 0.5, 0).fraction).toBeCloseTo(15 / 40);
    expect(overall.update('report', 1, 1_000).fraction).toBeCloseTo(25 / 40);
  });

  it('tells the time left from the work done per second', () => {
    const overall = new OverallProgress({ training: 30, report: 10 });
    expect(overall.update('training', 0, 0).etaSeconds).toBeUndefined();
    expect(overall.update('training', 0.5, 15_000).etaSeconds).toBeCloseTo(25);
  });

  it('does not take for speed what an earlier run has done', () => {
    const overall = new OverallProgress({ first: 20, second: 20 });
    overall.update('second', 0, 0);
    const resumed = overall.update('first', 1, 1_000);
    expect(resumed.fraction).toBeCloseTo(0.5);
    expect(resumed.etaSeconds).toBeUndefined();
    expect(overall.update('second', 0.5, 10_000).etaSeconds).toBeCloseTo(10, 0);
  });

  it('never falls when a part is told again from its beginning', () => {
    const overall = new OverallProgress({ only: 1 });
    overall.update('only', 0.8, 0);
    expect(overall.update('only', 0.1, 1_000).fraction).toBeCloseTo(0.8);
  });
});
