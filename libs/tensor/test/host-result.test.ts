import { hostResult, selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('hostResult', () => {
  it('answers with the result of the work', () => {
    expect(hostResult(() => tf.tensor1d([1, 2]).dataSync<'float32'>().slice())).toEqual(Float32Array.of(1, 2));
  });

  it('frees every tensor that the work made', () => {
    const before = tf.memory().numTensors;
    hostResult(() => tf.square(tf.tensor1d([1, 2])).dataSync()[0]);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('frees every tensor that the work made before it failed', () => {
    const before = tf.memory().numTensors;
    expect(() =>
      hostResult(() => {
        tf.tensor1d([1, 2]);
        throw new RangeError('broken');
      }),
    ).toThrow('broken');
    expect(tf.memory().numTensors).toBe(before);
  });

  it('works within another scope without freeing its tensors', () => {
    tf.tidy(() => {
      const outer = tf.tensor1d([3]);
      hostResult(() => tf.square(outer).dataSync()[0]);
      expect(outer.isDisposed).toBe(false);
    });
  });

  it('never searches its result', () => {
    const result = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('the result was searched');
        },
      },
    );
    expect(hostResult(() => result)).toBe(result);
    expect(() => tf.tidy(() => result)).toThrow('the result was searched');
  });
});
