import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CorruptCheckpointError, decodeJobCheckpoint, encodeJobCheckpoint } from '../src/job-checkpoint.js';
import { LatestCheckpoint } from '../src/latest-checkpoint.js';

describe('a job checkpoint', () => {
  test('is read as it was written', () => {
    const metrics = fc.dictionary(
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }).map((x) => x + 0),
    );
    fc.assert(
      fc.property(fc.uint8Array(), metrics, fc.boolean(), (trainer, values, hasTeacher) => {
        const checkpoint = {
          stage: 'model' as const,
          ...(hasTeacher ? { teacherId: 'a' } : {}),
          task: { trainer, measurements: { lossSum: 0.1, lossCount: 3, epochs: 1, metrics: { ...values } } },
        };
        expect(decodeJobCheckpoint(encodeJobCheckpoint(checkpoint))).toEqual(checkpoint);
      }),
    );
  });

  test.each([
    [new Uint8Array(0)],
    [new Uint8Array(3)],
    [Uint8Array.of(255, 255, 255, 255, 1)],
    [Uint8Array.of(2, 0, 0, 0, 123, 125)],
  ])('is refused when it is corrupt: %s', (bytes) => {
    expect(() => decodeJobCheckpoint(bytes)).toThrow(CorruptCheckpointError);
  });
});

describe('LatestCheckpoint', () => {
  test('saves one after the other and skips those that a newer one replaced', async () => {
    const saved: number[] = [];
    const gates: (() => void)[] = [];
    const checkpoints = new LatestCheckpoint(
      (bytes) =>
        new Promise((resolve) => {
          saved.push(bytes[0] as number);
          gates.push(resolve);
        }),
      (error) => {
        throw error;
      },
    );
    for (const value of [1, 2, 3]) checkpoints.offer(Uint8Array.of(value));
    expect(saved).toEqual([1]);
    gates[0]?.();
    await new Promise((resolve) => setImmediate(resolve));
    gates[1]?.();
    await checkpoints.settled();
    expect(saved).toEqual([1, 3]);
  });

  test('tells of a failure and saves nothing after it', async () => {
    const errors: unknown[] = [];
    let calls = 0;
    const failure = new Error('lost');
    const checkpoints = new LatestCheckpoint(
      async () => {
        calls++;
        throw failure;
      },
      (error) => errors.push(error),
    );
    checkpoints.offer(Uint8Array.of(1));
    await checkpoints.settled();
    checkpoints.offer(Uint8Array.of(2));
    await checkpoints.settled();
    expect(errors).toEqual([failure]);
    expect(calls).toBe(1);
  });
});
