import type { Classifier } from '@percept/models';
import { RandomStream, selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  alignedGradients,
  classMargins,
  convictionMargin,
  convincingPictures,
  invertClasses,
  judgePictures,
  rankOf,
  recognizability,
  type Samples,
  type TargetedPictures,
  targetEvidence,
} from '../src/index.js';
import { seededNumbers, smallClassifier } from './small-classifiers.js';

const classes = 6;
const side = 6;
const shape = [side, side, 1] as const;
const length = side * side;

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

/** The pattern of a class: one bright row. */
function pattern(label: number): Float32Array {
  return Float32Array.from({ length }, (_, i) => (Math.floor(i / side) === label ? 0.9 : 0.1));
}

/** A classifier that compares an image with the patterns, each weighted by noise of its own: it sees what is there. */
function seeingClassifier(seed: number): Classifier {
  const noise = seededNumbers(seed, length * classes);
  const weights = Float32Array.from({ length: length * classes }, (_, at) => {
    const [i, k] = [Math.floor(at / classes), at % classes];
    return (Math.floor(i / side) === k ? 2 : -0.4) + 0.2 * (noise[at] as number);
  });
  const matrix = tf.tensor2d(weights, [length, classes]);
  return {
    classes,
    inputShape: shape,
    logits: (images) => tf.matMul(tf.reshape(images, [images.shape[0], length]) as tf.Tensor2D, matrix),
  };
}

function realSamples(count: number): Samples {
  const noise = seededNumbers(9, count * length);
  const images = new Float32Array(count * length);
  for (let i = 0; i < count; i++) {
    images.set(
      pattern(i % classes).map((value, at) => value + 0.1 * (noise[i * length + at] as number)),
      i * length,
    );
  }
  const ids = Int32Array.from({ length: count }, (_, i) => i);
  return { images, labels: ids.map((id) => id % classes), ids };
}

/** Pictures that show `draw(target)`, from grey starts. */
function pictures(perClass: number, draw: (target: number, index: number) => Float32Array): TargetedPictures {
  const targets = Int32Array.from({ length: perClass * classes }, (_, i) => i % classes);
  const images = new Float32Array(targets.length * length);
  for (const [i, target] of targets.entries()) images.set(draw(target, i), i * length);
  const starts = new Float32Array(images.length).fill(0.3);
  return {
    targets,
    images,
    starts,
    success: new Uint8Array(),
    confidence: new Float64Array(),
    steps: new Int32Array(),
  };
}

const judges = [
  { name: 'first', model: () => seeingClassifier(1) },
  { name: 'second', model: () => seeingClassifier(2) },
];
const panel = (): { name: string; model: Classifier }[] => judges.map(({ name, model }) => ({ name, model: model() }));

describe('targetEvidence', () => {
  const logits = fc.array(fc.double({ min: -50, max: 50, noNaN: true }), { minLength: 5, maxLength: 5 });

  it('follows its definition: margins against log-mean-exp of the others, gains, and their excess over the other classes', () => {
    fc.assert(
      fc.property(logits, logits, (after, before) => {
        const margin = (z: number[], a: number): number =>
          (z[a] as number) - Math.log(z.reduce((sum, v, c) => sum + (c === a ? 0 : Math.exp(v)), 0) / (z.length - 1));
        const gains = after.map((_, a) => margin(after, a) - margin(before, a));
        const found = targetEvidence(after, before);
        for (const [a, gain] of gains.entries()) {
          const others = gains.filter((_, c) => c !== a);
          const expected = gain - others.reduce((sum, v) => sum + v, 0) / others.length;
          expect(found[a]).toBeCloseTo(expected, 6);
        }
        expect(found.reduce((sum, v) => sum + v, 0)).toBeCloseTo(0, 6);
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  it('does not change when a constant is added to all logits, and is finite where they are huge', () => {
    const z = [3, -1, 0.5];
    const shifted = z.map((value) => value + 11);
    for (const [a, margin] of classMargins(z).entries()) expect(classMargins(shifted)[a]).toBeCloseTo(margin, 10);
    expect([...targetEvidence([2e4, 0, -2e4], [0, 0, 0])].every(Number.isFinite)).toBe(true);
  });

  it('ranks a target, ties against it', () => {
    expect([0, 1, 2, 3].map((target) => rankOf([5, 1, 5, 0], target))).toEqual([1, 2, 1, 3]);
  });
});

describe('recognizability', () => {
  it('finds pictures that show their targets, as the real images do, for every judge and every target', async () => {
    const found = await recognizability(panel(), pictures(3, pattern), realSamples(60), { seed: 1 });
    expect(found.topOne).toMatchObject({ estimate: 1, upper: 1, n: 18, clusters: classes });
    expect(found.evidence.lower).toBeGreaterThan(1);
    expect(found.exemplars?.topOne.estimate).toBe(1);
    expect(found.blend?.evidence.estimate).toBeGreaterThan(0);
    expect(found.blend?.evidence.estimate).toBeLessThan(found.exemplars?.evidence.estimate as number);
    expect(found.recovers).toBe(true);
    expect(found.judges.map(({ name, topOne }) => [name, topOne.estimate])).toEqual([
      ['first', 1],
      ['second', 1],
    ]);
    expect(found.perTarget.map(({ target, n, topOne }) => [target, n, topOne])).toEqual(
      Array.from({ length: classes }, (_, target) => [target, 3, 1]),
    );
  });

  it('says which class the judges see in each picture, whatever it aims at', async () => {
    const found = await recognizability(
      panel(),
      pictures(2, (target) => pattern((target + 1) % classes)),
      realSamples(60),
      {
        seed: 1,
      },
    );
    expect(found.readings).toEqual(Array.from({ length: 2 * classes }, (_, i) => ((i % classes) + 1) % classes));
  });

  it.each([
    ['noise', (_: number, i: number) => Float32Array.from(seededNumbers(50 + i, length), (v) => 0.3 + 0.02 * v)],
    ['one class whatever the target', () => pattern(2)],
  ] as const)(
    'finds nothing in pictures that show %s: chance within the rate’s interval, zero within the evidence’s',
    async (_, draw) => {
      const found = await recognizability(panel(), pictures(8, draw), realSamples(60), { seed: 4 });
      expect(found.topOne.lower).toBeLessThanOrEqual(1 / classes);
      expect(found.topOne.upper).toBeGreaterThanOrEqual(1 / classes);
      expect(found.evidence.lower).toBeLessThanOrEqual(0);
      expect(found.recovers).toBe(false);
    },
  );

  it('has its control of shuffled targets at zero and at chance, also where the pictures are perfect', async () => {
    const { shuffled, evidence } = await recognizability(panel(), pictures(4, pattern), realSamples(60), { seed: 1 });
    expect(shuffled.lower).toBeLessThan(0);
    expect(shuffled.upper).toBeGreaterThan(0);
    expect(Math.abs(shuffled.mean)).toBeLessThan(0.1 * evidence.estimate);
    expect(Math.abs(shuffled.topOne - 1 / classes)).toBeLessThan(0.03);
    expect(evidence.lower).toBeGreaterThan(shuffled.upper);
  });

  it('leaves out the controls it has no real images for, and refuses judges it has not or that take other images', async () => {
    const none = { images: new Float32Array(), labels: new Int32Array(), ids: new Int32Array() };
    const found = await recognizability(panel(), pictures(2, pattern), none, { seed: 1 });
    expect([found.exemplars, found.blend, found.recovers]).toEqual([undefined, undefined, undefined]);
    await expect(recognizability([], pictures(2, pattern), none, { seed: 1 })).rejects.toThrow(/at least one judge/);
    const other = [{ name: 'small', model: smallClassifier(1, [2, 2, 1], classes) }];
    await expect(recognizability(other, pictures(2, pattern), none, { seed: 1 })).rejects.toThrow(/small/);
  });

  it('judges what a model that sees makes of noise as recognizable, from starts that every model shares', async () => {
    const options = { mean: [0.3], std: [0.2], noiseSeed: 5, norm: Number.POSITIVE_INFINITY } as const;
    const own = await invertClasses(seeingClassifier(7), { ...options, step: 0.05, steps: 20 });
    const other = await invertClasses(smallClassifier(8, shape, classes), { ...options, step: 0.05, steps: 20 });
    expect(own.starts).toEqual(other.starts);
    expect([...own.targets]).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...own.success].every((success) => success === 1)).toBe(true);
    expect((await judgePictures(panel(), own, { seed: 1 })).topOne.estimate).toBe(1);
  });

  it('perturbs images of other classes until the model is convinced, each from a start that all models share', async () => {
    const options = { count: 15, norm: Number.POSITIVE_INFINITY, step: 0.05, steps: 30 } as const;
    const samples = realSamples(24);
    const own = await convincingPictures(seeingClassifier(7), samples, options);
    const other = await convincingPictures(smallClassifier(8, shape, classes), samples, options);
    expect(own.starts).toEqual(other.starts);
    expect(own.targets).toEqual(Int32Array.from({ length: 15 }, (_, i) => i % classes));
    for (const [i, target] of own.targets.entries()) {
      const start = own.starts.slice(i * length, (i + 1) * length);
      const from = [...samples.ids.keys()].find((at) =>
        samples.images.slice(at * length, (at + 1) * length).every((value, j) => value === start[j]),
      );
      expect(samples.labels[from ?? -1]).not.toBe(target);
      expect(own.success[i]).toBe(1);
      const logits = seeingClassifier(7)
        .logits(tf.tensor4d(own.images.slice(i * length, (i + 1) * length), [1, ...shape]))
        .dataSync();
      const others = [...logits].filter((_, k) => k !== target);
      const lead = (logits[target] as number) - Math.max(...others);
      expect(lead).toBeGreaterThan(convictionMargin * Math.max(...[...logits].map(Math.abs)) * (1 - 1e-5));
    }
    expect((await judgePictures(panel(), own, { seed: 1 })).topOne.estimate).toBeGreaterThan(0.8);
  });

  it('refuses to start where all samples are of the target', async () => {
    const one = { images: new Float32Array(length), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    const options = { count: 1, norm: 2, step: 0.05, steps: 3 };
    await expect(convincingPictures(seeingClassifier(7), one, options)).rejects.toThrow(/another class than 0/);
  });
});

describe('alignedGradients', () => {
  it('is high and above its control where gradients point to the class, and neither for a random model', async () => {
    const samples = realSamples(60);
    const seeing = await alignedGradients(seeingClassifier(3), samples, { seed: 1 });
    expect(seeing.difference.lower).toBeGreaterThan(0.2);
    const random = await alignedGradients(smallClassifier(4, shape, classes), samples, { seed: 1 });
    expect(random.difference.lower).toBeLessThan(0.1);
  });

  it('is the cosine of the definition, for a linear model whose gradient is known', async () => {
    const stream = new RandomStream({ seed: 1, purpose: 'test weights' });
    const weights = Float32Array.from({ length: 4 * 2 }, () => stream.nextNormal());
    const matrix = tf.tensor2d(weights, [4, 2]);
    const model: Classifier = {
      classes: 2,
      inputShape: [2, 2, 1],
      logits: (images) => tf.matMul(tf.reshape(images, [images.shape[0], 4]) as tf.Tensor2D, matrix),
    };
    const images = Float32Array.of(0, 0.5, 1, 0.2, 0.4, 0.1, 0.9, 0.3, 0.7, 0.7, 0.2, 0);
    const samples = { images, labels: Int32Array.of(0, 1, 1), ids: Int32Array.of(0, 1, 2) };
    const { own } = await alignedGradients(model, samples, { seed: 0 });
    const row = (i: number): number[] => [...images.subarray(i * 4, i * 4 + 4)];
    const mean = row(1).map((value, at) => (value + (row(2)[at] as number)) / 2);
    const cosine = (g: number[], way: number[]): number => {
      const dot = (a: number[], b: number[]): number => a.reduce((sum, v, i) => sum + v * (b[i] as number), 0);
      return dot(g, way) === 0 ? 0 : dot(g, way) / Math.sqrt(dot(g, g) * dot(way, way));
    };
    const gradient = [1, 3, 5, 7].map((at) => weights[at] as number);
    const towards = (i: number): number =>
      cosine(
        gradient,
        mean.map((value, at) => value - (row(i)[at] as number)),
      );
    expect(own.estimate).toBeCloseTo((0 + towards(1) + towards(2)) / 3, 5);
  });

  it('refuses samples of one class', async () => {
    const one = { images: new Float32Array(length), labels: Int32Array.of(0), ids: Int32Array.of(0) };
    await expect(alignedGradients(seeingClassifier(1), one, { seed: 0 })).rejects.toThrow(/two classes/);
  });
});
