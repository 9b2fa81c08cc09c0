import { JobEvent } from '@percept/contracts';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { JobEventLog } from '../src/job-event-log.js';

const metric = (sequence: number): JobEvent =>
  JobEvent.fromPartial({ sequence, event: { $case: 'metrics', value: { step: sequence } } });
const progress = (sequence: number): JobEvent =>
  JobEvent.fromPartial({ sequence, event: { $case: 'progress', value: { done: sequence } } });
const state = (sequence: number): JobEvent =>
  JobEvent.fromPartial({ sequence, event: { $case: 'stateChange', value: { state: 2 } } });
const gallery = (sequence: number, group: string): JobEvent =>
  JobEvent.fromPartial({
    sequence,
    event: { $case: 'gallery', value: { gallery: 'figure-4.2', group, slots: ['1'] } },
  });

const sequencesOf = (log: JobEventLog): number[] => log.events.map(({ sequence }) => sequence);

describe('JobEventLog', () => {
  test('keeps the newest progress and the newest picture of each gallery row', () => {
    const log = new JobEventLog([
      state(1),
      progress(2),
      gallery(3, 'a'),
      gallery(4, 'b'),
      progress(5),
      gallery(6, 'a'),
    ]);
    expect(sequencesOf(log)).toEqual([1, 4, 5, 6]);
  });

  test('thins out the bulkiest kind, keeping its newest and everything else', () => {
    const log = new JobEventLog([], { maxEvents: 8, maxBytes: 1_000_000 });
    log.append(state(1));
    for (let sequence = 2; sequence <= 9; sequence++) {
      log.append(metric(sequence));
    }
    expect(sequencesOf(log)).toEqual([1, 3, 5, 7, 9]);
  });

  test('stays within its limits, in order, with the newest event, whatever is appended', () => {
    const kinds = [metric, progress, state, (n: number) => gallery(n, String(n))];
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: kinds.length - 1 }), { minLength: 1, maxLength: 200 }),
        fc.integer({ min: 8, max: 40 }),
        (choices, maxEvents) => {
          const log = new JobEventLog([], { maxEvents, maxBytes: 2_000 });
          for (const [index, choice] of choices.entries()) {
            log.append((kinds[choice] ?? metric)(index + 1));
          }
          const sequences = sequencesOf(log);
          expect(sequences.length).toBeLessThanOrEqual(maxEvents);
          expect(sequences).toEqual([...sequences].sort((a, b) => a - b));
          expect(sequences.at(-1)).toBe(choices.length);
        },
      ),
      { seed: 1 },
    );
  });
});
