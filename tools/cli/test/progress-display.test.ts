import { describe, expect, it } from 'vitest';
import { formatDuration, formatProgressLine } from '../src/progress-display.js';

describe('formatDuration', () => {
  it.each([
    [0, '0 s'],
    [59.4, '59 s'],
    [65, '1 min 05 s'],
    [3_725, '1 h 02 min'],
  ])('writes %d seconds as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});

describe('formatProgressLine', () => {
  it('shows label, bar, percentage, note and time left', () => {
    const line = formatProgressLine(
      { label: 'pgd', fraction: 0.5, note: 'epoch 3 of 5', etaSeconds: 12, state: 'running' },
      120,
    );
    expect(line).toContain('pgd');
    expect(line).toContain(`${'█'.repeat(12)}${'░'.repeat(12)}  50%  epoch 3 of 5  12 s left`);
  });

  it('never runs over the width of the terminal', () => {
    const line = formatProgressLine(
      { label: 'x'.repeat(50), fraction: 2, note: 'y'.repeat(200), state: 'running' },
      80,
    );
    expect(line.length).toBeLessThan(80);
  });
});
