import { describe, expect, it } from 'vitest';
// @ts-expect-error the bootstrap is plain JavaScript without declarations, so that it runs before anything is installed
import { addTotals, closingLine, parseClosingLine } from '../src/totals.mjs';

describe('parseClosingLine', () => {
  it('takes the last closing line', () => {
    expect(parseClosingLine('1 passed, 2 failed\nmore\n10 passed, 0 failed, 3 skipped\n')).toEqual({
      passed: 10,
      failed: 0,
      skipped: 3,
    });
  });

  it('accepts one word with a colon before it', () => {
    expect(parseClosingLine('total: 4 passed, 0 failed')).toEqual({ passed: 4, failed: 0, skipped: 0 });
  });

  it('answers null when a suite closed without one', () => {
    expect(parseClosingLine('all 4 passed, 0 failed, hurray')).toBeNull();
  });
});

describe('closingLine', () => {
  it('adds suites up and names skips only when there are some', () => {
    const total = addTotals([
      { passed: 1, failed: 0, skipped: 0 },
      { passed: 2, failed: 1, skipped: 0 },
    ]);
    expect(closingLine(total)).toBe('3 passed, 1 failed');
    expect(closingLine({ ...total, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped');
  });
});
