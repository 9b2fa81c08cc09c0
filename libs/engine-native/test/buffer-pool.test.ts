import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BufferPool } from '../src/buffer-pool.js';

const megabyte = 2 ** 20;

function countingPool(): { readonly pool: BufferPool; readonly allocated: number[] } {
  const allocated: number[] = [];
  const pool = new BufferPool((length) => {
    allocated.push(length);
    return new Float32Array(length);
  });
  return { pool, allocated };
}

describe('BufferPool', () => {
  test('hands out arrays of exactly the length that was asked for', () => {
    const { pool } = countingPool();
    fc.assert(fc.property(fc.integer({ min: 1, max: 100_000 }), (length) => pool.take(length).length === length));
  });

  test('never hands out memory that is in use', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 5_000 }), { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(lengths, fc.infiniteStream(fc.boolean()), (wanted, returns) => {
        const { pool } = countingPool();
        const held: Float32Array[] = [];
        for (const length of wanted) {
          held.push(pool.take(length));
          if (returns.next().value === true) pool.giveBack(held.shift() as Float32Array);
          expect(new Set(held.map(({ buffer }) => buffer)).size).toBe(held.length);
        }
      }),
    );
  });

  test('serves a length from the memory of a slightly longer one', () => {
    const { pool, allocated } = countingPool();
    pool.giveBack(pool.take(1_200));
    pool.giveBack(pool.take(1_100));
    expect(allocated).toHaveLength(1);
  });

  test('wastes at most a quarter of what it hands out', () => {
    const { pool } = countingPool();
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 10_000_000 }), (length) => {
        const array = pool.take(length);
        pool.giveBack(array);
        return array.buffer.byteLength <= 1.25 * array.byteLength;
      }),
      { numRuns: 20 },
    );
  });

  test('keeps no more for reuse than was ever in use at once, whatever the lengths', () => {
    const { pool } = countingPool();
    let largest = 0;
    for (let megafloats = 8; megafloats < 28; megafloats++) {
      const array = pool.take(megafloats * megabyte);
      largest = array.buffer.byteLength;
      pool.giveBack(array);
    }
    expect(pool.freeBytes).toBeLessThanOrEqual(largest);
  });

  test('drops first what was wanted longest ago', () => {
    const { pool, allocated } = countingPool();
    const [old, recent, newest] = [6, 5, 7].map((megafloats) => megafloats * megabyte) as [number, number, number];
    for (const length of [old, recent, newest]) pool.giveBack(pool.take(length));
    pool.giveBack(pool.take(recent));
    expect(allocated).toHaveLength(3);
    pool.take(old);
    expect(allocated).toHaveLength(4);
  });

  test('leaves memory that another tensor sees to the garbage collector', () => {
    const { pool, allocated } = countingPool();
    const array = pool.take(1_000);
    pool.noteAlias(array.subarray(3));
    pool.giveBack(array);
    pool.take(1_000);
    expect(allocated).toHaveLength(2);
    expect(pool.freeBytes).toBe(0);
  });
});
