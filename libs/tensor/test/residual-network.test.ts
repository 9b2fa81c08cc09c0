import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { type ResidualNetwork, residualNetworkInference, selectEngine, sgdMomentumStep } from '../src/index.js';
import { composedResidualNetwork } from '../src/residual-network.js';
import { sequence } from './support/finite-differences.js';
import { distance, expectSame } from './support/same-tensors.js';

const classes = 5;

const networks = [
  { name: 'a narrow network', channels: 3, widths: [8, 8, 16], strides: [1, 2], side: 8 },
  {
    name: 'one of a single channel, odd sides and odd widths',
    channels: 1,
    widths: [5, 5, 7],
    strides: [1, 2],
    side: 9,
  },
  { name: 'one without blocks', channels: 3, widths: [8], strides: [], side: 6 },
  { name: 'one whose filters are too many for chunks', channels: 3, widths: [8, 256, 256], strides: [2, 1], side: 4 },
] as const;

type Sizes = (typeof networks)[number];

const [narrow] = networks;

/** A network of fixed weights; gammas and variances are positive. */
function networkOf({ channels, widths, strides }: Sizes): ResidualNetwork {
  let seed = 1;
  const tensor = (shape: number[], low: number, high: number): tf.Tensor => sequence(shape, seed++, low, high);
  const norm = (count: number): tf.Tensor[] => [
    tensor([count], 0.5, 1.5),
    tensor([count], -0.5, 0.5),
    tensor([count], -0.5, 0.5),
    tensor([count], 0.5, 2),
  ];
  const filter = (side: number, from: number, to: number): tf.Tensor => {
    const bound = 1.5 / Math.sqrt(side * side * from);
    return tensor([side, side, from, to], -bound, bound);
  };
  const tensors = [tensor([channels], 2, 4), tensor([channels], -2, -1), filter(3, channels, widths[0])];
  const blocks = strides.map((stride, i) => {
    const [from, to] = [widths[i] as number, widths[i + 1] as number];
    const projects = stride !== 1 || from !== to;
    tensors.push(...norm(from), filter(3, from, to), ...norm(to), filter(3, to, to));
    if (projects) tensors.push(filter(1, from, to));
    return { stride, projects };
  });
  const features = widths.at(-1) as number;
  tensors.push(...norm(features), tensor([features, classes], -1, 1), tensor([classes], -1, 1));
  return { tensors, blocks, epsilon: 1e-5, precision: 'float32' };
}

function imagesOf({ side, channels }: Sizes, batch: number): tf.Tensor4D {
  return sequence([batch, side, side, channels], 99, 0, 1) as tf.Tensor4D;
}

type Forward = (images: tf.Tensor4D, network: ResidualNetwork) => tf.Tensor2D;

/** Logits and their gradient by the images against a fixed cotangent. */
function logitsAndInputGradient(forward: Forward, images: tf.Tensor4D, network: ResidualNetwork): tf.Tensor[] {
  const cotangent = sequence([1, classes], 20);
  const { value, grad } = tf.valueAndGrad((x: tf.Tensor): tf.Tensor => forward(x as tf.Tensor4D, network))(
    images as tf.Tensor,
    tf.tile(cotangent, [images.shape[0], 1]),
  );
  return [value, grad];
}

function bits(tensors: readonly tf.Tensor[]): unknown[] {
  return tensors.map((tensor) => tensor.dataSync());
}

describe('on the native engine, a whole network in one kernel equals the composed one:', () => {
  beforeAll(async () => {
    await selectEngine({ engine: 'native', threads: 2 });
  });

  test.each(networks)('$name, logits and input gradient', (sizes) => {
    tf.tidy(() => {
      const [images, network] = [imagesOf(sizes, 7), networkOf(sizes)];
      expectSame(
        logitsAndInputGradient(residualNetworkInference, images, network),
        logitsAndInputGradient(composedResidualNetwork, images, network),
        1e-5,
      );
    });
  });

  test.each(networks)('$name, logits alone to the bit as beside a gradient', (sizes) => {
    tf.tidy(() => {
      const [images, network] = [imagesOf(sizes, 7), networkOf(sizes)];
      const [beside] = logitsAndInputGradient(residualNetworkInference, images, network);
      expect(residualNetworkInference(images, network).dataSync()).toEqual(beside?.dataSync());
    });
  });

  test.each(networks)('$name, in bfloat16 within its rounding, an image alone to the bit as in its batch', (sizes) => {
    tf.tidy(() => {
      const images = imagesOf(sizes, 5);
      const network = { ...networkOf(sizes), precision: 'bfloat16' } as const;
      const inOneKernel = logitsAndInputGradient(residualNetworkInference, images, network);
      expectSame(inOneKernel, logitsAndInputGradient(composedResidualNetwork, images, network), 0.1);
      const [fine] = logitsAndInputGradient(residualNetworkInference, images, { ...network, precision: 'float32' });
      expect(distance(inOneKernel[0] as tf.Tensor, fine as tf.Tensor) > 1e-6).toBe(sizes.strides.length > 0);
      const alone = residualNetworkInference(tf.slice(images, 3, 1), network);
      expect(alone.dataSync()).toEqual(tf.slice(inOneKernel[0] as tf.Tensor2D, 3, 1).dataSync());
    });
  });

  test.each(networks.slice(0, 3))('$name, the gradients by all its tensors', (sizes) => {
    tf.tidy(() => {
      const [images, network] = [imagesOf(sizes, 3), networkOf(sizes)];
      const gradients = (forward: Forward): tf.Tensor[] =>
        tf.grads((...tensors: tf.Tensor[]) => forward(images, { ...network, tensors }))(
          [...network.tensors],
          sequence([3, classes], 21),
        );
      expectSame(gradients(residualNetworkInference), gradients(composedResidualNetwork), 1e-4);
    });
  });

  test.each(networks.slice(0, 3))('$name inside a gradient penalty', (sizes) => {
    tf.tidy(() => {
      const [images, network] = [imagesOf(sizes, 3), networkOf(sizes)];
      // The last bias has no part in an input gradient.
      const bias = network.tensors.at(-1) as tf.Tensor;
      const gradients = (forward: Forward): tf.Tensor[] =>
        tf.grads((...values: tf.Tensor[]) => {
          const tensors = [...values, bias];
          const inner = tf.grad((x: tf.Tensor) => forward(x as tf.Tensor4D, { ...network, tensors }));
          return tf.sum(tf.square(inner(images as tf.Tensor, sequence([3, classes], 22))));
        })(network.tensors.slice(0, -1));
      expectSame(gradients(residualNetworkInference), gradients(composedResidualNetwork), 1e-4);
    });
  });

  test.each(networks)('$name, an image alone to the bit as among others', (sizes) => {
    tf.tidy(() => {
      const [images, network] = [imagesOf(sizes, 23), networkOf(sizes)];
      const together = logitsAndInputGradient(residualNetworkInference, images, network);
      for (const image of [0, 11, 22]) {
        const row = (tensor: tf.Tensor): tf.Tensor => tf.slice(tensor, [image], [1]);
        const alone = logitsAndInputGradient(residualNetworkInference, row(images) as tf.Tensor4D, network);
        expect(bits(alone)).toEqual(bits(together.map(row)));
      }
    });
  });

  test.each(networks)('$name, to the bit with any number of threads', async (sizes) => {
    const [images, network] = [imagesOf(sizes, 23), networkOf(sizes)];
    const results: unknown[] = [];
    try {
      for (const threads of [1, 2, 5]) {
        await selectEngine({ engine: 'native', threads });
        const tensors = tf.tidy(() => logitsAndInputGradient(residualNetworkInference, images, network));
        results.push(bits(tensors));
        tf.dispose(tensors);
      }
    } finally {
      await selectEngine({ engine: 'native', threads: 2 });
      tf.dispose([images, [...network.tensors]]);
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
  });
});

describe('on the native engine, what was packed of a filter is not used for other values:', () => {
  beforeAll(async () => {
    await selectEngine({ engine: 'native', threads: 2 });
  });

  /** A variable that shares its values with no tensor, so that they may change in place. */
  function variableOf(values: () => tf.Tensor): tf.Variable {
    return tf.tidy(() => tf.variable(values(), false));
  }

  /** The narrow network with one of its filters a variable, and what `change` does to it between two passes. */
  function expectFollows(change: (filter: tf.Variable) => void, index: number): void {
    const frozen = networkOf(narrow);
    const filter = variableOf(() => tf.mul(frozen.tensors[index] as tf.Tensor, 1));
    const images = imagesOf(narrow, 4);
    const network = { ...frozen, tensors: frozen.tensors.with(index, filter as tf.Tensor) };
    const [before] = logitsAndInputGradient(residualNetworkInference, images, network);
    change(filter);
    const after = logitsAndInputGradient(residualNetworkInference, images, network);
    expect(distance(after[0] as tf.Tensor, before as tf.Tensor)).toBeGreaterThan(1e-3);
    expectSame(after, logitsAndInputGradient(composedResidualNetwork, images, network), 1e-5);
    filter.dispose();
  }

  const filters = [
    { name: 'the stem', index: 2 },
    { name: 'a first convolution', index: 7 },
    { name: 'a second convolution', index: 12 },
    { name: 'a shortcut', index: 23 },
  ] as const;

  test.each(filters)('$name after an assignment', ({ index }) => {
    tf.tidy(() => expectFollows((filter) => filter.assign(tf.mul(filter, 2)), index));
  });

  test.each(filters)('$name after an optimiser has changed it in place', ({ index }) => {
    tf.tidy(() => {
      const settings = { learningRate: 1, momentum: 0, weightDecay: 0 };
      expectFollows((filter) => {
        const velocity = variableOf(() => tf.zerosLike(filter));
        const { dataId } = filter;
        sgdMomentumStep(filter, velocity, tf.mul(filter, -1), settings);
        expect(filter.dataId).toBe(dataId);
        velocity.dispose();
      }, index);
    });
  });

  test('when more networks take turns than are kept', () => {
    tf.tidy(() => {
      const images = imagesOf(narrow, 4);
      const all = Array.from({ length: 9 }, (_, i) => {
        const { tensors, ...rest } = networkOf(narrow);
        return { ...rest, tensors: tensors.map((tensor) => tf.mul(tensor, 1 + i / 10)) };
      });
      const first = all.map((network) => bits(logitsAndInputGradient(residualNetworkInference, images, network)));
      const again = all.map((network) => bits(logitsAndInputGradient(residualNetworkInference, images, network)));
      expect(again).toEqual(first);
    });
  });
});
