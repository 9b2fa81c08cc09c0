import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';

/** A differentiable function of several tensors. */
export type Operation = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Values of a fixed pseudo-random sequence in [low, high], the same in every run. */
export function sequence(shape: number[], seed: number, low = -1, high = 1): tf.Tensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const size = shape.reduce((product, side) => product * side, 1);
  const values = Float32Array.from({ length: size }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return low + ((high - low) * state) / 2 ** 32;
  });
  return tf.tensor(values, shape);
}

function inner(a: tf.Tensor, b: tf.Tensor): number {
  const [left, right] = [a.dataSync(), b.dataSync()];
  let sum = 0;
  for (let i = 0; i < left.length; i++) sum += (left[i] as number) * (right[i] as number);
  return sum;
}

/** The directional derivative of a function by central differences, summed in double precision. */
function centralDifference(
  value: (inputs: tf.Tensor[]) => number,
  inputs: tf.Tensor[],
  directions: tf.Tensor[],
  width: number,
): number {
  const at = (t: number): number =>
    value(inputs.map((input, i) => tf.add(input, tf.mul(directions[i] as tf.Tensor, t))));
  return (at(width) - at(-width)) / (2 * width);
}

function sumOfInner(as: tf.Tensor[], bs: tf.Tensor[]): number {
  return as.reduce((sum, a, i) => sum + inner(a, bs[i] as tf.Tensor), 0);
}

/** Fails unless `actual` is within `tolerance` of `expected`, relative to its size or to 0.1. */
export function expectClose(actual: number, expected: number, tolerance: number, what: string): void {
  expect(Math.abs(actual - expected) / Math.max(Math.abs(expected), 0.1), what).toBeLessThan(tolerance);
}

/**
 * Checks the first and the second derivatives of `operation` at `inputs` against central differences: the derivative of <f, c> along a
 * direction, and that of <gradient, w> along another, for fixed c, w and directions.
 */
export function checkDerivatives(operation: Operation, inputs: tf.Tensor[], width = 1e-2, tolerance = 2e-2): void {
  tf.tidy(() => {
    const cotangent = sequence(operation(...inputs).shape, 91);
    const directions = inputs.map(({ shape }, i) => sequence(shape, 92 + i));
    const weights = inputs.map(({ shape }, i) => sequence(shape, 192 + i));
    const gradients = (at: tf.Tensor[]): tf.Tensor[] => tf.grads(operation)(at, cotangent);

    const first = sumOfInner(gradients(inputs), directions);
    const byValues = centralDifference((at) => inner(operation(...at), cotangent), inputs, directions, width);
    expectClose(first, byValues, tolerance, 'first derivative');

    // TF.js throws for an input that nothing depends on, such as a bias at second order: its term here is zero.
    const weighted = (...at: tf.Tensor[]): tf.Tensor =>
      tf.addN([
        ...gradients(at).map((gradient, i) => tf.sum(tf.mul(gradient, weights[i] as tf.Tensor))),
        ...at.map((input) => tf.mul(tf.sum(input), 0)),
      ]);
    const second = sumOfInner(tf.grads(weighted)(inputs), directions);
    const byGradients = centralDifference((at) => sumOfInner(gradients(at), weights), inputs, directions, width);
    expectClose(second, byGradients, tolerance, 'second derivative');
  });
}
