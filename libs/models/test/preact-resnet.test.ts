import { selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type InvalidModelSpecError,
  type ModelSpec,
  PreActResNet,
  parameterLayout,
  WeightsMismatchError,
} from '../src/index.js';

const spec: ModelSpec = {
  architecture: 'preact-resnet',
  width: 4,
  blocks: [1, 1, 1, 1],
  classes: 10,
  height: 16,
  widthPixels: 16,
  channels: 3,
  mean: [0.5, 0.4, 0.3],
  std: [0.2, 0.25, 0.3],
};

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('PreActResNet', () => {
  it("has the paper's 11,172,170 trainable parameters at width 64 and two blocks per stage", () => {
    const layout = parameterLayout({ ...spec, width: 64, blocks: [2, 2, 2, 2] });
    const count = layout
      .filter(({ kind }) => kind !== 'running-mean' && kind !== 'running-variance')
      .reduce((sum, { shape }) => sum + shape.reduce((product, side) => product * side, 1), 0);
    expect(count).toBe(11_172_170);
  });

  it('is a pure function of its seed', () => {
    const weights = (seed: number): number[] => {
      const model = PreActResNet.initialise(spec, seed);
      const { data } = model.toTensors()['layer1.0.conv1.weight'] ?? { data: [] };
      model.dispose();
      return Array.from(data);
    };
    expect(weights(1)).toEqual(weights(1));
    expect(weights(1)).not.toEqual(weights(2));
  });

  it('comes back from its tensors with the same logits, to the bit', () => {
    const model = PreActResNet.initialise(spec, 0);
    const again = PreActResNet.fromTensors(spec, model.toTensors());
    const images = tf.randomUniform<tf.Rank.R4>([2, 16, 16, 3], 0, 1, 'float32', 7);
    expect([...again.logits(images).dataSync()]).toEqual([...model.logits(images).dataSync()]);
  });

  it("moves its running statistics like PyTorch's, and only when told to", () => {
    const model = PreActResNet.initialise(spec, 0);
    const images = tf.randomUniform<tf.Rank.R4>([4, 16, 16, 3], 0, 1, 'float32', 7);
    const before = [...(model.statistics.get('bn.running_mean') as tf.Variable).dataSync()];
    model.logitsTraining(images, 'keep');
    expect([...(model.statistics.get('bn.running_mean') as tf.Variable).dataSync()]).toEqual(before);
    model.logitsTraining(images, 'update');
    expect([...(model.statistics.get('bn.running_mean') as tf.Variable).dataSync()]).not.toEqual(before);
  });

  it('leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    const model = PreActResNet.initialise(spec, 0);
    const images = tf.randomUniform<tf.Rank.R4>([2, 16, 16, 3], 0, 1, 'float32', 7);
    for (const mode of ['keep', 'update'] as const) model.logitsTraining(images, mode).dispose();
    model.logits(images).dispose();
    images.dispose();
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('shares its weights with the same model in bfloat16, and answers in float32 as before', () => {
    const model = PreActResNet.initialise(spec, 0);
    const coarse = model.withPrecision('bfloat16');
    const images = tf.randomUniform<tf.Rank.R4>([2, 16, 16, 3], 0, 1, 'float32', 7);
    const before = [...model.logits(images).dataSync()];
    const rounded = [...coarse.logits(images).dataSync()];
    expect(rounded).not.toEqual(before);
    for (const [i, logit] of rounded.entries()) expect(logit).toBeCloseTo(before[i] as number, 1);
    expect([...model.logits(images).dataSync()]).toEqual(before);
    expect(coarse.parameters).toBe(model.parameters);
    expect(coarse.withPrecision('bfloat16')).toBe(coarse);
    expect([...coarse.withPrecision('float32').logits(images).dataSync()]).toEqual(before);
  });

  it.each([
    ['a missing tensor', 'linear.bias', undefined, /linear\.bias is missing/],
    [
      'a wrong shape',
      'conv1.weight',
      { dtype: 'F32', shape: [4, 3, 1, 9], data: new Float32Array(108) },
      /conv1\.weight must be F32 of shape \[4, 3, 3, 3\]/,
    ],
    [
      'a value that is no number',
      'linear.bias',
      { dtype: 'F32', shape: [10], data: new Float32Array(10).fill(Number.NaN) },
      /linear\.bias holds NaN/,
    ],
  ] as const)('refuses weights with %s', (_, name, replacement, message) => {
    const model = PreActResNet.initialise(spec, 0);
    const { [name]: _dropped, ...tensors } = model.toTensors();
    const changed = replacement === undefined ? tensors : { ...tensors, [name]: replacement };
    expect(() => PreActResNet.fromTensors(spec, changed)).toThrow(WeightsMismatchError);
    expect(() => PreActResNet.fromTensors(spec, changed)).toThrow(message);
  });

  it('names every violation of a specification at once', () => {
    try {
      PreActResNet.initialise({ ...spec, width: 0, blocks: [1, 1, 0, 1], std: [0.2, 0, 0.3] }, 0);
      expect.unreachable();
    } catch (error) {
      expect((error as InvalidModelSpecError).violations.map(({ field }) => field)).toEqual([
        'width',
        'blocks[2]',
        'std[1]',
      ]);
    }
  });
});
