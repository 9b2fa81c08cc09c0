import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import {
  formatDuration,
  formatLogLine,
  formatProgressLine,
  ProgressDisplay,
  type ProgressLine,
} from '../src/progress-display.js';

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

describe('formatLogLine', () => {
  const line: ProgressLine = {
    label: 'pgd',
    fraction: 0.5,
    note: 'epoch 3 of 5',
    etaSeconds: 12,
    state: 'running',
  };

  it.each([
    [line, 'pgd: 50 %, epoch 3 of 5, 12 s left'],
    [{ ...line, logged: 'states' }, 'pgd: running'],
    [{ ...line, state: 'done', note: '98.4 % of test images right' }, 'pgd: done, 98.4 % of test images right'],
    [{ ...line, state: 'done', note: 'done' }, 'pgd: done'],
    [{ ...line, state: 'failed', note: 'the training diverged' }, 'pgd: failed, the training diverged'],
    [{ ...line, state: 'waiting', note: '' }, 'pgd: waiting'],
  ] as const)('writes %o as %s', (shown, text) => {
    expect(formatLogLine(shown)).toBe(text);
  });
});

describe('ProgressDisplay in a log', () => {
  function written(logged: ProgressLine['logged'], fractions: readonly number[]): string[] {
    let text = '';
    const stream = new Writable({
      write: (chunk, _encoding, done) => {
        text += String(chunk);
        done();
      },
    });
    const display = new ProgressDisplay(stream as NodeJS.WriteStream);
    for (const fraction of fractions) {
      display.update('job', { label: 'pgd', fraction, note: '', state: 'running', ...(logged ? { logged } : {}) });
    }
    return text.trimEnd().split('\n');
  }

  it('writes a line per tenth', () => {
    expect(written(undefined, [0, 0.01, 0.09, 0.1, 0.15, 0.25])).toEqual(['pgd: 0 %', 'pgd: 10 %', 'pgd: 25 %']);
  });

  it('writes only changes of state where no more is asked for', () => {
    expect(written('states', [0, 0.5, 0.9])).toEqual(['pgd: running']);
  });
});
