import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import {
  type BlockStatistics,
  type BlockWeights,
  preActivationBlockInference,
  preActivationBlockTrain,
  selectEngine,
} from '../src/index.js';
import { composedBlockInference, composedBlockTrain } from '../src/pre-activation-block.js';
import { sequence } from './support/finite-differences.js';
import { expectSame } from './support/same-tensors.js';

const epsilon = 1e-5;

const shapes = [
  { name: 'an identity block', channels: [16, 16], stride: 1, side: 8 },
  { name: 'a block of few channels and an odd side', channels: [5, 5], stride: 1, side: 7 },
  { name: 'a projection block', channels: [8, 16], stride: 2, side: 8 },
  { name: 'a projection block without a stride', channels: [3, 8], stride: 1, side: 6 },
  { name: 'a wide block on a small image', channels: [64, 64], stride: 1, side: 4 },
] as const;

type Shape = (typeof shapes)[number];

interface Parts {
  readonly x: tf.Tensor4D;
  readonly weights: BlockWeights;
  readonly statistics: BlockStatistics;
}

function partsOf({ channels: [inside, outside], stride, side }: Shape): Parts {
  const vector = (count: number, seed: number, low: number, high: number): tf.Tensor1D =>
    sequence([count], seed, low, high) as tf.Tensor1D;
  const filter = (height: number, from: number, to: number, seed: number): tf.Tensor4D =>
    sequence([height, height, from, to], seed, -0.3, 0.3) as tf.Tensor4D;
  const projects = stride !== 1 || (inside as number) !== (outside as number);
  return {
    x: sequence([3, side, side, inside], 1, -2, 2) as tf.Tensor4D,
    weights: {
      gamma1: vector(inside, 2, 0.5, 1.5),
      beta1: vector(inside, 3, -0.5, 0.5),
      filter1: filter(3, inside, outside, 4),
      gamma2: vector(outside, 5, 0.5, 1.5),
      beta2: vector(outside, 6, -0.5, 0.5),
      filter2: filter(3, outside, outside, 7),
      ...(projects ? { shortcut: filter(1, inside, outside, 8) } : {}),
    },
    statistics: {
      mean1: vector(inside, 9, -0.5, 0.5),
      variance1: vector(inside, 10, 0.5, 2),
      mean2: vector(outside, 11, -0.5, 0.5),
      variance2: vector(outside, 12, 0.5, 2),
    },
  };
}

type Forward = (x: tf.Tensor4D, weights: BlockWeights) => tf.Tensor4D;

function weightsOf(template: BlockWeights, values: readonly tf.Tensor[]): BlockWeights {
  return Object.fromEntries(Object.keys(template).map((name, i) => [name, values[i]])) as unknown as BlockWeights;
}

/** The output, and its gradients by x and by all weights against a fixed cotangent. */
function outputAndGradients(forward: Forward, { x, weights }: Parts): tf.Tensor[] {
  const output = forward(x, weights);
  const gradients = tf.grads((first: tf.Tensor, ...rest: tf.Tensor[]) =>
    forward(first as tf.Tensor4D, weightsOf(weights, rest)),
  )([x, ...Object.values(weights)] as tf.Tensor[], sequence(output.shape, 20));
  return [output, ...gradients];
}

/** The gradient by all weights of ||d<output, c>/dx||^2. */
function penaltyGradients(forward: Forward, { x, weights }: Parts): tf.Tensor[] {
  const cotangent = sequence(forward(x, weights).shape, 21);
  return tf.grads((...values: tf.Tensor[]) => {
    const inner = tf.grad((at: tf.Tensor) => forward(at as tf.Tensor4D, weightsOf(weights, values)));
    return tf.sum(tf.square(inner(x as tf.Tensor, cotangent)));
  })(Object.values(weights) as tf.Tensor[]);
}

describe('on the native engine, the fused residual block equals the composed one:', () => {
  beforeAll(async () => {
    await selectEngine({ engine: 'native', threads: 2 });
  });

  test.each(shapes)('$name in inference mode, with all first gradients', (shape) => {
    tf.tidy(() => {
      const parts = partsOf(shape);
      const fused: Forward = (x, weights) =>
        preActivationBlockInference(x, weights, parts.statistics, shape.stride, epsilon);
      const composed: Forward = (x, weights) =>
        composedBlockInference(x, weights, parts.statistics, shape.stride, epsilon);
      expectSame(outputAndGradients(fused, parts), outputAndGradients(composed, parts), 1e-5);
    });
  });

  test.each(shapes)('$name in training mode, with all first gradients', (shape) => {
    tf.tidy(() => {
      const parts = partsOf(shape);
      const fused: Forward = (x, weights) => preActivationBlockTrain(x, weights, shape.stride, epsilon).output;
      const composed: Forward = (x, weights) => composedBlockTrain(x, weights, shape.stride, epsilon).output;
      expectSame(outputAndGradients(fused, parts), outputAndGradients(composed, parts), 1e-4);
      const statistics = ({ mean1, variance1, mean2, variance2 }: BlockStatistics): tf.Tensor[] => [
        mean1,
        variance1,
        mean2,
        variance2,
      ];
      expectSame(
        statistics(preActivationBlockTrain(parts.x, parts.weights, shape.stride, epsilon)),
        statistics(composedBlockTrain(parts.x, parts.weights, shape.stride, epsilon)),
        1e-5,
      );
    });
  });

  test.each(shapes)('$name inside a gradient penalty', (shape) => {
    tf.tidy(() => {
      const parts = partsOf(shape);
      const fused: Forward = (x, weights) => preActivationBlockTrain(x, weights, shape.stride, epsilon).output;
      const composed: Forward = (x, weights) => composedBlockTrain(x, weights, shape.stride, epsilon).output;
      expectSame(penaltyGradients(fused, parts), penaltyGradients(composed, parts), 1e-4);
    });
  });

  test("an image's output and input gradient do not depend on its batch mates, to the bit", () => {
    tf.tidy(() => {
      const [shape] = shapes;
      const parts = partsOf(shape);
      const run = (x: tf.Tensor4D): tf.Tensor[] => {
        const forward = (at: tf.Tensor): tf.Tensor =>
          preActivationBlockInference(at as tf.Tensor4D, parts.weights, parts.statistics, shape.stride, epsilon);
        const { value, grad } = tf.valueAndGrad(forward)(x as tf.Tensor, tf.onesLike(forward(x)));
        return [value, grad];
      };
      const together = run(parts.x);
      const alone = run(tf.slice(parts.x, [1, 0, 0, 0], [1, -1, -1, -1]));
      for (const [i, tensor] of together.entries()) {
        expect(tf.slice(tensor, [1, 0, 0, 0], [1, -1, -1, -1]).dataSync()).toEqual(alone[i]?.dataSync());
      }
    });
  });

  test('its statistics refuse a gradient instead of losing it', () => {
    tf.tidy(() => {
      const { x, weights } = partsOf(shapes[0]);
      const ofMean = tf.grad((at: tf.Tensor) => preActivationBlockTrain(at as tf.Tensor4D, weights, 1, epsilon).mean1);
      expect(() => ofMean(x)).toThrow('carry no gradient');
    });
  });
});
