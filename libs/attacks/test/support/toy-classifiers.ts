import type { Classifier } from '@percept/models';
import * as tf from '@tensorflow/tfjs-core';

/** A seeded stream of numbers in [-1, 1), for weights and images of tests. */
export function seededNumbers(seed: number, count: number): Float32Array {
  let state = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return (state / 2 ** 32) * 2 - 1;
  });
}

/** Seeded images in [0, 1]: `count` rows of height x width x channels values. */
export function seededImages(seed: number, count: number, shape: readonly [number, number, number]): Float32Array {
  return seededNumbers(seed, count * shape[0] * shape[1] * shape[2]).map((value) => 0.5 + 0.5 * value);
}

/** A small convolutional network with fixed weights: 3x3 convolution, relu, mean over pixels, linear. */
export function convolutionalClassifier(
  seed: number,
  shape: readonly [number, number, number] = [6, 6, 2],
  classes = 5,
): Classifier {
  const width = 7;
  const filter = tf.tensor4d(seededNumbers(seed, 9 * shape[2] * width), [3, 3, shape[2], width]);
  const linear = tf.tensor2d(seededNumbers(seed + 1, shape[0] * shape[1] * width * classes), [
    shape[0] * shape[1] * width,
    classes,
  ]);
  return {
    classes,
    inputShape: shape,
    logits: (images) => {
      const hidden = tf.relu(tf.conv2d(images, filter, 1, 'same'));
      return tf.matMul(tf.reshape(hidden, [images.shape[0], -1]) as tf.Tensor2D, linear);
    },
  };
}

/** A linear classifier with the given weights [values, classes]: its gradients are known by hand. */
export function linearClassifier(
  weights: Float32Array,
  shape: readonly [number, number, number],
  classes: number,
): Classifier {
  const matrix = tf.tensor2d(weights, [shape[0] * shape[1] * shape[2], classes]);
  return {
    classes,
    inputShape: shape,
    logits: (images) => tf.matMul(tf.reshape(images, [images.shape[0], -1]) as tf.Tensor2D, matrix),
  };
}

/** A classifier of one pixel: logits = slopes * x + offsets. */
export function affineClassifier(slopes: readonly number[], offsets: readonly number[]): Classifier {
  const weights = tf.tensor2d([...slopes], [1, slopes.length]);
  const bias = tf.tensor1d([...offsets]);
  return {
    classes: slopes.length,
    inputShape: [1, 1, 1],
    logits: (images) => tf.add(tf.matMul(tf.reshape(images, [images.shape[0], 1]) as tf.Tensor2D, weights), bias),
  };
}
