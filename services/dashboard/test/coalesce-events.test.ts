import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coalesceEvents, updateLimit } from '../src/coalesce-events.js';
import type { JobEventView } from '../src/views.js';

const anyEvents = fc
  .array(
    fc.oneof(
      fc.record({ kind: fc.constant('metric' as const), series: fc.constantFrom('loss', 'accuracy') }),
      fc.record({ kind: fc.constant('progress' as const) }),
      fc.record({ kind: fc.constant('log' as const) }),
    ),
    { maxLength: 60 },
  )
  .map((kinds) =>
    kinds.map((each, index): JobEventView => {
      const base = { sequence: index + 1, at: 0 };
      if (each.kind === 'metric') return { ...base, kind: 'metric', series: each.series, step: index, value: index };
      if (each.kind === 'log') return { ...base, kind: 'log', level: 'info', message: String(index) };
      return {
        ...base,
        kind: 'progress',
        progress: { done: index, total: 60, unit: 'steps', message: '', etaSeconds: null },
      };
    }),
  );

function metric(sequence: number, step: number): JobEventView {
  return { kind: 'metric', sequence, at: 0, series: 'loss', step, value: step };
}

describe('coalesceEvents', () => {
  it('keeps every point of a series and only the newest progress', () => {
    const progress = (sequence: number): JobEventView => ({
      kind: 'progress',
      sequence,
      at: 0,
      progress: { done: sequence, total: 9, unit: 'steps', message: '', etaSeconds: null },
    });
    const kept = coalesceEvents([progress(1), metric(2, 0), progress(3), metric(4, 1)]);
    expect(kept.map((event) => event.sequence)).toEqual([2, 3, 4]);
  });

  it('thins a very long series evenly and keeps its newest point', () => {
    const many = Array.from({ length: 12_345 }, (_, index) => metric(index + 1, index));
    const kept = coalesceEvents(many);
    expect(kept).toHaveLength(updateLimit);
    expect(kept.at(-1)?.sequence).toBe(12_345);
    expect(kept[0]?.sequence).toBeLessThan(50);
  });

  it('keeps the order and the newest event, so that a client can go on after it', () => {
    fc.assert(
      fc.property(anyEvents, (events) => {
        const sequences = coalesceEvents(events).map((event) => event.sequence);
        expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
        expect(sequences.at(-1)).toBe(events.at(-1)?.sequence);
      }),
      { seed: 11 },
    );
  });
});
