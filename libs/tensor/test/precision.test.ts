import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type BlockWeights,
  type Precision,
  preActivationBlockTrain,
  roundToBfloat16,
  selectEngine,
} from '../src/index.js';
import { sequence } from './support/finite-differences.js';
import { distance } from './support/same-tensors.js';

/** Between bfloat16's neighbours in [1, 2). */
const step = 2 ** -7;

const cases = [
  ['zero', 0, 0],
  ['a power of two', 0.25, 0.25],
  ['eight bits', 1 + 127 * step, 1 + 127 * step],
  ['a value below a tie', 1 + 0.499 * step, 1],
  ['a value above a tie', 1 + 0.501 * step, 1 + step],
  ['a tie below which is the even one', 1 + 0.5 * step, 1],
  ['a tie above which is the even one', 1 + 1.5 * step, 1 + 2 * step],
  ['a negative tie', -1 - 1.5 * step, -1 - 2 * step],
  ['a carry into the exponent', 2 - 0.25 * step, 2],
] as const;

function rounded(values: readonly number[]): Float32Array {
  return tf.tidy(() =>
    roundToBfloat16(tf.tensor1d([...values]))
      .dataSync<'float32'>()
      .slice(),
  );
}

/** The nearest bfloat16, ties to even, by integer arithmetic on the bits. */
function nearest(value: number): number {
  const bits = new Uint32Array(Float32Array.of(value).buffer);
  const [word] = bits as unknown as [number];
  bits[0] = ((word + 0x7fff + ((word >>> 16) & 1)) & 0xffff0000) >>> 0;
  return new Float32Array(bits.buffer)[0] as number;
}

const names = ['gamma1', 'beta1', 'filter1', 'gamma2', 'beta2', 'filter2', 'shortcut'];

/** Of a block from 8 to 16 channels, in the order of `names`; no relu cuts, so that gradients are continuous. */
function weights(): tf.Tensor[] {
  const filter = (side: number, from: number, to: number, seed: number): tf.Tensor =>
    sequence([side, side, from, to], seed, -0.2, 0.2);
  return [
    ...[sequence([8], 2, 0.5, 1.5), sequence([8], 3, 4, 5), filter(3, 8, 16, 4)],
    ...[sequence([16], 5, 0.5, 1.5), sequence([16], 6, 4, 5), filter(3, 16, 16, 7), filter(1, 8, 16, 8)],
  ];
}

/** A block of stride 2 in training mode, and its gradients by the weights against a fixed cotangent. */
function trainedBlock(precision: Precision, values: tf.Tensor[]): { output: tf.Tensor; gradients: tf.Tensor[] } {
  const x = sequence([2, 8, 8, 8], 1) as tf.Tensor4D;
  const block = (...parts: tf.Tensor[]): tf.Tensor => {
    const named = Object.fromEntries(names.map((name, i) => [name, parts[i]])) as unknown as BlockWeights;
    return preActivationBlockTrain(x, named, 2, 1e-5, precision).output;
  };
  return { output: block(...values), gradients: tf.grads(block)(values, sequence([2, 4, 4, 16], 9)) };
}

describe.each(['native', 'cpu'] as const)('on the %s engine, rounding to bfloat16', (engine) => {
  beforeAll(async () => {
    await selectEngine({ engine, threads: 1 });
  });

  test.each(cases)('takes %s to the nearest, ties to even', (_, value, expected) => {
    expect([...rounded([value])]).toEqual([expected]);
  });

  test('agrees with rounding by bits over the range of weights', () => {
    const weight = fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true });
    fc.assert(
      fc.property(fc.array(weight, { minLength: 1, maxLength: 50 }), (values) => {
        expect([...rounded(values)]).toEqual(values.map(nearest));
      }),
    );
  });

  test('moves a denormal by less than 2^-133', () => {
    for (const value of [2 ** -149, 3 * 2 ** -140, -(2 ** -127)].map(Math.fround)) {
      expect(Math.abs((rounded([value])[0] as number) - value)).toBeLessThan(2 ** -133);
    }
  });

  test('passes the gradient on as it is', () => {
    tf.tidy(() => {
      const dy = tf.tensor1d([0.3, -7, 1e-3]);
      const gradient = tf.grad((x: tf.Tensor) => roundToBfloat16(x))(tf.tensor1d([1.001, -0.3, 5]) as tf.Tensor, dy);
      expect([...gradient.dataSync()]).toEqual([...dy.dataSync()]);
    });
  });

  test("a block's output is near the float32 one but another, and so are its gradients by the unrounded weights", () => {
    tf.tidy(() => {
      const { output, gradients } = trainedBlock('bfloat16', weights());
      const fine = trainedBlock('float32', weights());
      expect(distance(output, fine.output)).toBeLessThan(0.05);
      expect(distance(output, fine.output)).toBeGreaterThan(1e-5);
      for (const [i, gradient] of gradients.entries()) {
        const apart = tf.norm(tf.sub(gradient, fine.gradients[i] as tf.Tensor));
        expect(tf.div(apart, tf.norm(fine.gradients[i] as tf.Tensor)).dataSync()[0]).toBeLessThan(0.05);
      }
    });
  });
});

test('a composed block in bfloat16 is the float32 block of the rounded filters, and its gradients are those', async () => {
  await selectEngine({ engine: 'cpu' });
  tf.tidy(() => {
    const given = weights();
    const kept = given.map((tensor, i) =>
      names[i]?.startsWith('gamma') || names[i]?.startsWith('beta') ? tensor : roundToBfloat16(tensor),
    );
    const [coarse, fine] = [trainedBlock('bfloat16', given), trainedBlock('float32', kept)];
    expect(coarse.output.dataSync()).toEqual(fine.output.dataSync());
    for (const [i, gradient] of coarse.gradients.entries()) {
      expect(gradient.dataSync()).toEqual(fine.gradients[i]?.dataSync());
    }
  });
});
