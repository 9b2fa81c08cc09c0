import { type CurvePoint, wilsonInterval } from '@percept/measures';
import type { ReportData, ReportModel } from '../src/index.js';

const samples = 10;
const pixels = 4 * 4 * 3;

/** A 4 x 4 picture of one grey. */
export function flatImage(value: number): Float32Array {
  return new Float32Array(pixels).fill(value);
}

function curveOf(counts: readonly number[]): CurvePoint[] {
  return counts.map((robust, i) => ({ epsilon: i / 10, robust, accuracy: wilsonInterval(robust, samples) }));
}

/** A model with every optional part. */
export function modelFixture(name: string, recipe: string, counts: readonly number[], collapsed = false): ReportModel {
  return {
    name,
    displayName: name,
    recipe,
    preset: 'quickstart',
    parameters: { beta: 6 },
    digest: 'ab',
    spec: { architecture: 'preact-resnet', width: 8, blocks: [1, 1, 1, 1], mean: [0.1], std: [0.3] },
    epochs: 1,
    seed: 0,
    dataset: 'digits',
    profile: {
      strategy: 'bisect',
      attacks: [],
      curve: curveOf(counts),
      gradientImageSteps: 1,
      forwardImagePasses: 1,
      rejectedWitnesses: 0,
      witnessesSha256: 'cd',
    },
    collapse: { entropy: 0, relativeEntropy: collapsed ? 0 : 1, topClass: 1, topShare: collapsed ? 1 : 0.5, collapsed },
    honesty: [
      {
        name: 'refuted-witnesses',
        source: 'ledger',
        description: 'witnesses refuted',
        value: collapsed ? 2 : 0,
        limit: 0,
        side: 'at-most',
        verdict: collapsed ? 'fail' : 'pass',
        advice: 'measure again',
      },
    ],
    smoothness: {
      mean: {
        lossGradientDualNorm: 1.2345,
        fimFrobeniusSquared: 2,
        fimLargestEigenvalue: 3,
        fimTwoInfinitySquared: 4,
        jacobianFrobeniusSquared: 5,
        jacobianSpectralNorm: 6,
      },
      samples: 5,
      lemma: { holds: true, worstExcess: 0 },
    },
    strip: {
      images: new Float32Array(2 * pixels).fill(0.5),
      success: Uint8Array.of(1, 0),
      confidence: Float64Array.of(0.9, 0.1),
    },
    sweep: {
      budgets: [0.1, 0.2],
      images: [flatImage(0.2), flatImage(0.4)],
      predictions: [0, 1],
      confidences: [0.6, 0.9],
    },
  };
}

/** Three models, one of them collapsed, and a class whose name is markup. */
export function reportFixture(): ReportData {
  return {
    title: 'A <b>report</b>',
    dataset: {
      name: 'digits',
      split: 'test',
      samples,
      digest: 'ef',
      classNames: ['<script>alert(1)</script>', 'one'],
      height: 4,
      width: 4,
      channels: 3,
      trainingEpsilon: 0.1,
      norm: Number.POSITIVE_INFINITY,
    },
    models: [
      modelFixture('standard', 'standard', [10, 0, 0]),
      modelFixture('pgd', 'pgd', [10, 10, 6]),
      modelFixture('trades-10000', 'trades-10000', [5, 5, 5], true),
    ],
    figures: {
      starts: new Float32Array(2 * pixels),
      source: { image: flatImage(0.5), label: 0, target: 1, sampleId: 3 },
    },
    settings: { profile: { norm: Number.POSITIVE_INFINITY } },
    engine: { name: 'cpu', version: '4.22.0', path: 'javascript', threads: 1 },
    perceptVersion: '0.1.0',
  };
}
