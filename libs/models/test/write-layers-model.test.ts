import { selectEngine, uniformArray } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeLayersModel } from '../src/export/write-layers-model.js';
import type { ModelSpec } from '../src/model-spec.js';
import { parameterLayout } from '../src/parameter-layout.js';
import { PreActResNet, WeightsMismatchError } from '../src/preact-resnet.js';
import { torchShape } from '../src/torch-layout.js';

const spec: ModelSpec = {
  architecture: 'preact-resnet',
  width: 3,
  blocks: [2, 1, 1, 1],
  classes: 5,
  height: 16,
  widthPixels: 8,
  channels: 2,
  mean: [0.4, 0.6],
  std: [0.2, 0.3],
};

/** Weights whose running statistics are not those of a fresh model, as they would hide a mistake. */
const tensors = Object.fromEntries(
  parameterLayout(spec).map((entry, sample) => {
    const shape = torchShape(entry);
    const size = shape.reduce((product, side) => product * side, 1);
    const lower = entry.kind === 'running-variance' ? 0.2 : -0.5;
    return [
      entry.name,
      { dtype: 'F32' as const, shape, data: uniformArray({ seed: 5, purpose: 'weights', sample }, size, lower, 1) },
    ];
  }),
);

describe('writeLayersModel', () => {
  beforeAll(async () => {
    await selectEngine({ engine: 'cpu' });
  });

  it('writes a model that TensorFlow.js loads, with the logits of the network itself', async () => {
    const files = writeLayersModel(spec, tensors);
    const { modelTopology, weightsManifest } = JSON.parse(new TextDecoder().decode(files['model.json']));
    const loaded = await loadLayersModel({
      load: async () => ({
        modelTopology,
        weightSpecs: weightsManifest[0].weights,
        weightData: Uint8Array.from(files['weights.bin']).buffer,
      }),
    });
    const own = PreActResNet.fromTensors(spec, tensors);
    const images = tf.tensor4d(uniformArray({ seed: 2, purpose: 'images' }, 3 * 16 * 8 * 2, 0, 1), [3, 16, 8, 2]);
    const expected = own.logits(images).dataSync();
    const found = (loaded.predict(images) as tf.Tensor).dataSync();
    const largest = Math.max(...expected.map(Math.abs));
    expect(largest).toBeGreaterThan(0);
    for (const [i, value] of found.entries())
      expect(Math.abs(value - (expected[i] as number))).toBeLessThan(1e-5 * largest);
    own.dispose();
    loaded.dispose();
    images.dispose();
  });

  it('refuses weights of another network, naming the tensor', () => {
    expect(() => writeLayersModel({ ...spec, classes: 6 }, tensors)).toThrow(WeightsMismatchError);
    expect(() => writeLayersModel({ ...spec, classes: 6 }, tensors)).toThrow(/linear\.weight/);
  });
});
