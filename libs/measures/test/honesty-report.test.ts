import type { Classifier } from '@percept/models';
import { selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  budgetGrid,
  honestyReport,
  type ProfileSettings,
  profile,
  type Samples,
  type WitnessLedger,
} from '../src/index.js';
import { thresholdClassifier } from './small-classifiers.js';

const settings: ProfileSettings = {
  norm: Number.POSITIVE_INFINITY,
  grid: budgetGrid(12, 2, 100),
  strategy: 'bisect',
  attacks: [{ name: 'pgd', options: { steps: 10, step: { kind: 'relative', size: 0.3 }, loss: 'margin' } }],
  confirmations: [],
  seed: 1,
  batchSize: 8,
};
const samples: Samples = {
  images: new Float32Array([0.5, 0.45, 0.42, 0.6, 0.61]),
  labels: Int32Array.of(0, 0, 0, 1, 1),
  ids: Int32Array.of(0, 1, 2, 3, 4),
};

async function verdicts(model: Classifier, ledger: WitnessLedger): Promise<Record<string, boolean>> {
  const indicators = await honestyReport(model, samples, ledger, { epsilon: 0.06, seed: 2 });
  return Object.fromEntries(indicators.map((indicator) => [indicator.name, indicator.passes]));
}

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

describe('honestyReport', () => {
  it('passes every check for a sound profile of a sound model', async () => {
    const model = thresholdClassifier(0.51);
    const passes = await verdicts(model, await profile(model, samples, settings));
    expect(Object.entries(passes).filter(([, passed]) => !passed)).toEqual([]);
  });

  it('catches an attack too weak for its budget: one FGSM step does better, and the curve ends above chance', async () => {
    const model = thresholdClassifier(0.51);
    const weak = {
      name: 'weak',
      options: { steps: 1, start: 'origin', step: { kind: 'absolute', size: 1e-4 } },
    } as const;
    const passes = await verdicts(model, await profile(model, samples, { ...settings, attacks: [weak] }));
    expect(passes).toMatchObject({
      'single-step-beats-iterative': false,
      'accuracy-at-largest-budget': false,
      'whole-box-robustness': true,
    });
  });

  it('catches masked gradients and a model that says one class whatever it sees', async () => {
    const constant: Classifier = {
      classes: 3,
      inputShape: [1, 1, 1],
      logits: (images) =>
        tf.add(tf.mul(tf.reshape(images, [images.shape[0], 1]), tf.tensor2d([[0, 0, 0]])), tf.tensor1d([1, 0, 0])),
    };
    const passes = await verdicts(constant, await profile(constant, samples, settings));
    expect(passes).toMatchObject({
      'zero-gradient-share': false,
      'whole-box-robustness': false,
      'class-collapse': false,
    });
  });

  it('refuses to compare at a budget outside the grid', async () => {
    const model = thresholdClassifier(0.51);
    const ledger = await profile(model, samples, settings);
    await expect(honestyReport(model, samples, ledger, { epsilon: 0.05, seed: 0 })).rejects.toThrow(RangeError);
  });
});
