import { DataType, decodeImages, decodeTensor, encodeTensor, InvalidTensorError, Tensor } from '@percept/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

function violationsOf(work: () => unknown): readonly { field: string; description: string }[] {
  try {
    work();
  } catch (error) {
    if (error instanceof InvalidTensorError) return error.violations;
    throw error;
  }
  return [];
}

function tensor(fields: Partial<Tensor>): Tensor {
  return { dtype: DataType.FLOAT32, shape: [1], data: new Uint8Array(4), ...fields };
}

describe('the tensor codec', () => {
  it('gives back every float32 bit, whatever byte the message begins at', () => {
    fc.assert(
      fc.property(
        fc.float32Array({ minLength: 1, maxLength: 40 }),
        fc.integer({ min: 0, max: 7 }),
        (values, offset) => {
          const wire = Tensor.encode(encodeTensor(values, [values.length])).finish();
          const shifted = new Uint8Array(wire.length + offset);
          shifted.set(wire, offset);
          const decoded = decodeTensor(Tensor.decode(shifted.subarray(offset)), 'tensor');
          expect(new Uint8Array(Float32Array.from(decoded.data).buffer)).toEqual(new Uint8Array(values.slice().buffer));
        },
      ),
    );
  });

  it.each([
    ['int32', Int32Array.from([-2_147_483_648, -1, 0, 2_147_483_647])],
    ['uint8', Uint8Array.from([0, 1, 254, 255])],
  ])('keeps %s elements and shape', (_name, values) => {
    const decoded = decodeTensor(encodeTensor(values, [2, 2]), 'tensor');
    expect(decoded.data).toEqual(values);
    expect(decoded.shape).toEqual([2, 2]);
  });

  it('reads a view into a larger buffer, and not what surrounds it', () => {
    const values = Float32Array.from([9, 0.25, 0.5, 9]).subarray(1, 3);
    expect([...decodeTensor(encodeTensor(values, [2]), 'tensor').data]).toEqual([0.25, 0.5]);
  });

  it.each<[string, Tensor | undefined, string[]]>([
    ['an absent tensor', undefined, ['images']],
    ['an unspecified dtype', tensor({ dtype: DataType.UNSPECIFIED }), ['images.dtype']],
    ['a dtype of the future', tensor({ dtype: 99 as DataType }), ['images.dtype']],
    ['a dimension of zero', tensor({ shape: [0], data: new Uint8Array() }), ['images.shape']],
    ['too few bytes', tensor({ data: new Uint8Array(3) }), ['images.data']],
    ['too many bytes', tensor({ shape: [2], data: new Uint8Array(9) }), ['images.data']],
    ['a product beyond any buffer', tensor({ shape: [4_294_967_295, 4_294_967_295] }), ['images.data']],
    ['nine dimensions', tensor({ shape: Array(9).fill(1) }), ['images.shape']],
    ['dtype and shape at once', tensor({ dtype: DataType.UNSPECIFIED, shape: [0] }), ['images.dtype', 'images.shape']],
  ])('refuses %s by field path', (_name, message, fields) => {
    expect(violationsOf(() => decodeTensor(message, 'images')).map(({ field }) => field)).toEqual(fields);
  });

  it('names the shape that was expected', () => {
    const message = encodeTensor(new Float32Array(4), [1, 2, 2]);
    const [violation] = violationsOf(() => decodeTensor(message, 'images', { shape: [null, 2, 3] }));
    expect(violation).toEqual({ field: 'images.shape', description: 'must be [any, 2, 3], got [1, 2, 2]' });
  });

  it('refuses to encode elements that do not fill the shape', () => {
    expect(() => encodeTensor(new Float32Array(3), [2, 2])).toThrow(InvalidTensorError);
  });
});

describe('decodeImages', () => {
  it('turns bytes into pixels of [0, 1]', () => {
    const { data } = decodeImages(encodeTensor(Uint8Array.from([0, 51, 255, 102]), [1, 2, 2, 1]), 'images');
    expect([...data]).toEqual([0, Math.fround(0.2), 1, Math.fround(0.4)]);
  });

  it.each([Number.NaN, -1e-7, 1.0000001, Number.POSITIVE_INFINITY])('refuses a pixel of %d and says which', (pixel) => {
    const message = encodeTensor(Float32Array.from([0.5, pixel]), [1, 1, 2, 1]);
    const [violation] = violationsOf(() => decodeImages(message, 'images'));
    expect(violation?.field).toBe('images.data');
    expect(violation?.description).toContain('element 1');
  });

  it('refuses labels for images', () => {
    const message = encodeTensor(new Int32Array(1), [1, 1, 1, 1]);
    expect(violationsOf(() => decodeImages(message, 'images'))).toEqual([
      { field: 'images.dtype', description: 'must be FLOAT32 or UINT8' },
    ]);
  });
});
