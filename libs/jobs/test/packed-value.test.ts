import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CorruptPackedValueError, packedDigest, packValue, unpackValue } from '../src/packed-value.js';

const plain = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.double(),
    fc.integer(),
    fc.string(),
    fc.boolean(),
    fc.constant(null),
    fc.float32Array(),
    fc.float64Array(),
    fc.int32Array(),
    fc.uint8Array(),
    fc.array(tie('value')),
    fc.dictionary(
      fc.string({ minLength: 1 }).filter((name) => !name.startsWith('@') && name !== '__proto__'),
      tie('value'),
      { noNullPrototype: true },
    ),
  ),
}));

describe('packed values', () => {
  test('come back to the bit, infinities, negative zeros and NaN included', async () => {
    await fc.assert(
      fc.asyncProperty(plain.value, async (value) => {
        expect(await unpackValue(packValue(value))).toStrictEqual(value);
      }),
    );
  });

  test('of equal data are equal bytes', () => {
    fc.assert(
      fc.property(plain.value, (value) => {
        expect(Buffer.compare(packValue(value), packValue(structuredClone(value)))).toBe(0);
      }),
    );
  });

  test('refuse every changed byte', async () => {
    const packed = packValue({ weights: Float32Array.of(1, 2, 3), epsilon: Number.POSITIVE_INFINITY });
    for (let at = 0; at < packed.byteLength; at++) {
      const changed = packed.slice();
      changed[at] = (changed[at] as number) ^ 1;
      await expect(unpackValue(changed)).rejects.toThrow(CorruptPackedValueError);
    }
  });

  test('keep large arrays apart and check them by their digests', async () => {
    const weights = Float32Array.from({ length: 100 }, (_, i) => i);
    const arrays = new Map<string, Uint8Array>();
    const apart = {
      bytes: 200,
      take: ({ digest, bytes }: { digest: string; bytes: Uint8Array }) => arrays.set(digest, bytes),
    };
    const packed = packValue({ weights, small: Uint8Array.of(1) }, apart);
    expect(arrays.size).toBe(1);
    expect(packedDigest(packed)).toMatch(/^[0-9a-f]{64}$/);
    const load = async (digest: string) => arrays.get(digest) ?? new Uint8Array(0);
    expect(await unpackValue(packed, load)).toStrictEqual({ weights, small: Uint8Array.of(1) });
    await expect(unpackValue(packed, async () => new Uint8Array(400))).rejects.toThrow(CorruptPackedValueError);
  });
});
