import type { Classifier } from '@percept/models';
import * as tf from '@tensorflow/tfjs-core';
import type { Samples } from '../src/index.js';

/** A seeded stream of numbers in [-1, 1), for weights and images of tests. */
export function seededNumbers(seed: number, count: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

/** A two-layer classifier with fixed weights. */
export function smallClassifier(
  seed: number,
  shape: readonly [number, number, number],
  classes: number,
  scale = 1,
): Classifier {
  const length = shape[0] * shape[1] * shape[2];
  const first = tf.tensor2d(seededNumbers(seed, length * 16), [length, 16]);
  const second = tf.tensor2d(
    seededNumbers(seed + 1, 16 * classes).map((value) => scale * value),
    [16, classes],
  );
  return {
    classes,
    inputShape: shape,
    logits: (images) =>
      tf.matMul(
        tf.relu(tf.matMul(tf.reshape(images, [images.shape[0], -1]) as tf.Tensor2D, first)) as tf.Tensor2D,
        second,
      ),
  };
}

/** A classifier whose first class leads by `lead - 10 x` over the others, x the only pixel: it breaks at x = lead / 10. */
export function thresholdClassifier(threshold: number): Classifier {
  return {
    classes: 3,
    inputShape: [1, 1, 1],
    logits: (images) => {
      const x = tf.reshape(images, [images.shape[0], 1]);
      return tf.concat(
        [tf.mul(tf.sub(threshold, x), 10), tf.zerosLike(x), tf.sub(tf.zerosLike(x), 5)],
        1,
      ) as tf.Tensor2D;
    },
  };
}

/** Seeded samples with ids from 100. */
export function seededSamples(
  seed: number,
  count: number,
  shape: readonly [number, number, number],
  labels: Int32Array,
): Samples {
  return {
    images: seededNumbers(seed, count * shape[0] * shape[1] * shape[2]).map((value) => 0.5 + 0.5 * value),
    labels,
    ids: Int32Array.from({ length: count }, (_, i) => 100 + i),
  };
}
