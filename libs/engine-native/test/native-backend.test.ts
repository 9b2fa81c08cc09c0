import { Worker } from 'node:worker_threads';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadAddon } from '../src/addon.js';
import { registerNativeBackend } from '../src/index.js';
import type { NativeBackend } from '../src/native-backend.js';

let backend: NativeBackend;

beforeAll(async () => {
  const { backend: name } = registerNativeBackend({ threads: 2 });
  await tf.setBackend(name);
  backend = tf.backend() as NativeBackend;
});

function ramp(shape: number[], step = 0.37): tf.Tensor {
  const size = shape.reduce((product, side) => product * side, 1);
  return tf.tensor(
    Float32Array.from({ length: size }, (_, i) => Math.sin(i * step)),
    shape,
  );
}

/** Runs the same operations on the portable backend. */
async function portable(compute: () => tf.Tensor): Promise<Float32Array> {
  await tf.setBackend('cpu');
  try {
    return Float32Array.from(tf.tidy(compute).dataSync());
  } finally {
    await tf.setBackend('native');
  }
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) largest = Math.max(largest, Math.abs((a[i] as number) - (b[i] as number)));
  return largest;
}

describe('the native backend', () => {
  test('registers once and takes a new number of threads each time', () => {
    expect(registerNativeBackend({ threads: 1 }).path).toBe(loadAddon().path);
    expect(() => registerNativeBackend({ threads: 0 })).toThrow(RangeError);
    registerNativeBackend({ threads: 2 });
  });

  test('reads are copies that later work does not change', () => {
    const x = tf.add(ramp([1000]), 1);
    const read = x.dataSync();
    const before = Float32Array.from(read);
    x.dispose();
    tf.tidy(() => tf.mul(tf.ones([1000]), 5).dataSync());
    expect(read).toEqual(before);
  });

  test('a slice stays whole when the tensor that it came from is gone', () => {
    const x = tf.add(ramp([64, 32]), 0);
    const slice = tf.slice(x, [3, 0], [2, 32]);
    const expected = Float32Array.from(slice.dataSync());
    x.dispose();
    tf.tidy(() => tf.fill([64, 32], 7).dataSync());
    expect(slice.dataSync()).toEqual(expected);
    slice.dispose();
  });

  test('counts every tensor and gives all memory back', () => {
    const { numTensors, numBytes } = tf.memory();
    const kept = tf.tidy(() => tf.relu(tf.matMul(ramp([40, 30]) as tf.Tensor2D, ramp([30, 20]) as tf.Tensor2D)));
    expect(tf.memory().numTensors).toBe(numTensors + 1);
    expect(tf.memory().numBytes).toBe(numBytes + 40 * 20 * 4);
    kept.dispose();
    expect(tf.memory()).toMatchObject({ numTensors, numBytes, unreliable: false });
  });

  test('repeated work takes its memory from the pool', () => {
    const work = (): void => tf.tidy(() => void tf.relu(tf.add(ramp([128, 128]), 1)).dataSync());
    work();
    const { numBytesInPool } = backend.memory();
    for (let i = 0; i < 5; i++) work();
    expect(backend.memory().numBytesInPool).toBe(numBytesInPool);
  });

  test('counts what a convolution works in, which stays the same when it is repeated', () => {
    const convolve = (): number => {
      tf.tidy(() => void tf.conv2d(ramp([4, 16, 16, 32]) as tf.Tensor4D, ramp([3, 3, 32, 32]) as tf.Tensor4D, 1, 1));
      return backend.memory().numBytesInKernels;
    };
    const kept = Array.from({ length: 4 }, convolve);
    expect(kept[0], 'at least the filter in packed form').toBeGreaterThan(36 * 32 * 32 * 4);
    expect(kept[3]).toBe(kept[2]);
  });

  test('an update in place leaves the array that a variable was made from alone', () => {
    const source = Float32Array.of(1, 2, 3);
    const [parameter, velocity] = tf.tidy(() => [tf.variable(tf.tensor1d(source)), tf.variable(tf.zeros([3]))]);
    const gradient = tf.tensor1d([1, 1, 1]);
    const inputs = { parameter, velocity, gradient } as unknown as tf.NamedTensorMap;
    tf.engine().runKernel('SgdMomentum', inputs, { learningRate: 0.5, momentum: 0.9, weightDecay: 0 });
    expect(Array.from(parameter?.dataSync() ?? [])).toEqual([0.5, 1.5, 2.5]);
    expect(Array.from(source)).toEqual([1, 2, 3]);
    tf.dispose([parameter as tf.Tensor, velocity as tf.Tensor, gradient]);
  });

  const operations: readonly (readonly [string, () => tf.Tensor])[] = [
    ['adding a bias per channel', () => tf.add(ramp([5, 7, 3]), ramp([3]))],
    ['multiplying by one factor per row', () => tf.mul(ramp([37, 11]), ramp([37, 1]))],
    ['broadcasting both ways', () => tf.sub(ramp([4, 1, 6]), ramp([5, 1]))],
    ['dividing a scalar', () => tf.div(tf.scalar(3), tf.add(ramp([33]), 2))],
    ['summing leading axes', () => tf.sum(ramp([70, 50, 9]), [0, 1])],
    ['summing a middle axis', () => tf.sum(ramp([3, 700, 5]), 1)],
    ['averaging everything', () => tf.mean(ramp([123, 457]))],
    ['the largest of trailing axes', () => tf.max(ramp([6, 31, 17]), [1, 2])],
    ['a product of odd sizes', () => tf.matMul(ramp([19, 45]) as tf.Tensor2D, ramp([45, 67]) as tf.Tensor2D)],
    [
      'a product of transposed matrices',
      () => tf.matMul(ramp([45, 19]) as tf.Tensor2D, ramp([67, 45]) as tf.Tensor2D, true, true),
    ],
    ['a batched product', () => tf.matMul(ramp([4, 5, 6]), ramp([4, 6, 7]))],
    ['transposing four axes', () => tf.transpose(ramp([3, 4, 5, 6]), [3, 1, 0, 2])],
    ['tiling', () => tf.tile(ramp([3, 4]), [2, 5])],
    ['slicing the middle', () => tf.slice(ramp([6, 7, 8]), [1, 2, 3], [4, 3, 2])],
    ['softmax', () => tf.softmax(ramp([9, 13]))],
    [
      'a strided convolution with padding',
      () => tf.conv2d(ramp([2, 9, 9, 5]) as tf.Tensor4D, ramp([3, 3, 5, 7]) as tf.Tensor4D, 2, 1),
    ],
    [
      'a convolution of many channels',
      () => tf.conv2d(ramp([2, 8, 8, 48]) as tf.Tensor4D, ramp([3, 3, 48, 40]) as tf.Tensor4D, 1, 1),
    ],
  ];

  test.each(operations)('agrees with portable TF.js on %s', async (_name, compute) => {
    const native = tf.tidy(() => Float32Array.from(compute().dataSync()));
    expect(largestDifference(native, await portable(compute))).toBeLessThan(1e-4);
  });

  test.each(operations)('gives the same bits with one thread as with two: %s', (_name, compute) => {
    const withTwo = tf.tidy(() => Float32Array.from(compute().dataSync()));
    backend.configure(1);
    const withOne = tf.tidy(() => Float32Array.from(compute().dataSync()));
    backend.configure(2);
    expect(withOne).toEqual(withTwo);
  });
});

describe('the addon', () => {
  const addon = loadAddon();
  const floats = (length: number): Float32Array => new Float32Array(length);

  const calls: readonly (readonly [string, () => void])[] = [
    ['an operation that does not exist', () => addon.unary(99, floats(4), floats(4), 0, 0)],
    ['an operand that is too short', () => addon.binary(0, floats(3), floats(4), floats(4))],
    ['an array of another type', () => addon.fill(new Int32Array(4) as unknown as Float32Array, 1)],
    ['an argument that is missing', () => (addon.fill as (out: Float32Array) => void)(floats(4))],
    [
      'a view that reaches beyond its source',
      () => addon.copyStrided(floats(4), 2, floats(4), Int32Array.of(4), Int32Array.of(1)),
    ],
    [
      'a view of a negative size',
      () => addon.copyStrided(floats(4), 0, floats(4), Int32Array.of(-4), Int32Array.of(1)),
    ],
    [
      'matrices that are too small',
      () => addon.matmul(floats(6), floats(6), null, floats(9), 1, 3, 3, 3, false, false, 0, 0),
    ],
    [
      'an output that does not fit the convolution',
      () =>
        addon.convolution(
          floats(16),
          floats(9),
          floats(64),
          Int32Array.of(1, 4, 4, 1, 3, 3, 1, 8, 8, 1, 1, 0, 0, 1, 1),
        ),
    ],
    [
      'channels that do not divide the input',
      () => addon.batchNormInference(floats(7), floats(2), floats(2), floats(2), floats(2), 1e-5, false, floats(7)),
    ],
    [
      'too few statistics',
      () => addon.batchNormInference(floats(8), floats(2), floats(2), floats(1), floats(2), 1e-5, false, floats(8)),
    ],
    ['a block of impossible sizes', () => addon.blockInference(Int32Array.of(1, 0, 4, 8, 8, 1, 0), 1e-5)],
    ['a block of an unknown precision', () => addon.blockInference(Int32Array.of(1, 4, 4, 8, 8, 1, 2), 1e-5)],
  ];

  test.each(calls)('refuses %s', (_name, call) => {
    expect(call).toThrow(RangeError);
  });

  test('loads in several threads at once', async () => {
    const source = `
      const { parentPort, workerData } = require('node:worker_threads');
      const addon = require(workerData);
      addon.configure(2);
      const x = addon.allocate(100000).fill(2);
      const out = addon.allocate(100000);
      for (let i = 0; i < 50; i++) addon.unary(5, x, out, 0, 0);
      parentPort.postMessage(out.every((value) => value === 4));`;
    const file = new URL('../build/percept_native.node', import.meta.url).pathname;
    const answers = await Promise.all(
      [0, 1, 2].map(
        () =>
          new Promise<unknown>((resolve, reject) => {
            const worker = new Worker(source, { eval: true, workerData: file });
            worker.once('message', resolve);
            worker.once('error', reject);
          }),
      ),
    );
    expect(answers).toEqual([true, true, true]);
  });
});
