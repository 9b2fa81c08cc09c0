import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ascentGradient, distance, forwardLogits, pgd } from '@percept/attacks';
import { loadEmbeddedMnist, type Split } from '@percept/datasets';
import { type ModelSpec, PreActResNet } from '@percept/models';
import {
  parameterGradients,
  selectEngine,
  sgdMomentumStep,
  softmaxCrossEntropy,
  writeSafetensors,
} from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AttackPeer, toChannelsLast } from '../../tools/bench/src/attack-peer.js';
import { attackLibrariesProgram } from './support/parts.js';

const count = 200;
const steps = 10;
/** Entries below this share of an image's largest |gradient| count as near zero: only a sign tells them from their opposite. */
const nearZeroEntry = 1e-2;
/**
 * Images whose other classes share less than this probability have a gradient near zero: the cross-entropy's is (softmax - onehot) J, and in float32
 * `softmax - 1` of the image's class is a difference of neighbours of 1, which are 6e-8 apart. Above 1e-5 that is less than 0.6 % of it.
 */
const nearZeroImage = 1e-5;
/** An input of a relu so near to zero, as a share of the largest of its layer, may come out on either side of it in float32, whose rounding this is. */
const nearKink = 5e-7;
const spec: ModelSpec = {
  architecture: 'preact-resnet',
  width: 8,
  blocks: [2, 2, 2, 2],
  classes: 10,
  height: 32,
  widthPixels: 32,
  channels: 3,
  mean: [0.1006, 0.1006, 0.1006],
  std: [0.2757, 0.2757, 0.2757],
};
const length = spec.height * spec.widthPixels * spec.channels;

/** A model trained for 80 steps: enough for margins and gradients of ordinary size. */
function trained(train: Split): PreActResNet {
  const model = PreActResNet.initialise(spec, 5);
  const parameters = [...model.parameters.values()];
  const velocities = tf.tidy(() => parameters.map((parameter) => tf.variable(tf.zerosLike(parameter), false)));
  const optimiser = { learningRate: 0.05, momentum: 0.9, weightDecay: 2e-4 };
  for (let step = 0; step < 80; step++) {
    const rows = Array.from({ length: 64 }, (_, i) => (64 * step + i) % train.count);
    tf.tidy(() => {
      const x = tf.tensor4d(train.images(rows), [64, spec.height, spec.widthPixels, spec.channels]);
      const classes = rows.map((row) => train.labels[row] as number);
      const targets = tf.cast(tf.oneHot(tf.tensor1d(classes, 'int32'), spec.classes), 'float32') as tf.Tensor2D;
      const loss = () => tf.mean(softmaxCrossEntropy(model.logitsTraining(x, 'update'), targets)) as tf.Scalar;
      const { gradients } = parameterGradients(loss, parameters);
      for (const [i, parameter] of parameters.entries()) {
        sgdMomentumStep(parameter, velocities[i] as tf.Variable, gradients[i] as tf.Tensor, optimiser);
      }
    });
  }
  tf.dispose(velocities);
  return model;
}

type Library = 'foolbox' | 'torchattacks' | 'art';

interface Case {
  readonly library: Library;
  readonly p: number;
  readonly epsilon: number;
  readonly step: number;
}

/** Budgets at which part of the images falls, and steps that reach the ball's surface (for p = 1 they do not: see below). */
const cases: Case[] = [
  { library: 'foolbox', p: Number.POSITIVE_INFINITY, epsilon: 0.08, step: 0.016 },
  { library: 'torchattacks', p: Number.POSITIVE_INFINITY, epsilon: 0.08, step: 0.016 },
  { library: 'art', p: Number.POSITIVE_INFINITY, epsilon: 0.08, step: 0.016 },
  { library: 'foolbox', p: 2, epsilon: 1, step: 0.2 },
  { library: 'torchattacks', p: 2, epsilon: 1, step: 0.2 },
  { library: 'art', p: 2, epsilon: 1, step: 0.2 },
  { library: 'art', p: 1, epsilon: 8, step: 0.5 },
];

const python = attackLibrariesProgram();

describe.skipIf(python === undefined)("PGD on one set of weights, ours and the peers'", () => {
  let folder: string;
  let model: PreActResNet;
  let peer: AttackPeer;
  let images: Float32Array;
  let labels: Int32Array;
  const ids = Int32Array.from({ length: count }, (_, i) => i);

  beforeAll(async () => {
    await selectEngine({ engine: 'native', threads: 2 });
    folder = await mkdtemp(path.join(tmpdir(), 'percept-agreement-'));
    const { splits } = await loadEmbeddedMnist();
    model = trained(splits.find(({ name }) => name === 'train') as Split);
    const test = splits.find(({ name }) => name === 'test');
    images = test?.images(ids) ?? new Float32Array();
    const logits = forwardLogits(model, images, count);
    labels = ids.map((i) => {
      const row = Array.from(logits.subarray(i * spec.classes, (i + 1) * spec.classes));
      return row.indexOf(Math.max(...row));
    });
    const weights = path.join(folder, 'weights.safetensors');
    await writeFile(weights, writeSafetensors(model.toTensors()));
    peer = await AttackPeer.start(python as string, { spec, weights }, { images, labels }, 2);
  });

  afterAll(async () => {
    await peer?.close();
    model?.dispose();
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  async function theirs({ library, p, epsilon, step }: Case, taken: number) {
    const out = peer.file('iterates.f32');
    const norm = p === Number.POSITIVE_INFINITY ? 'inf' : p;
    const request = { command: 'iterate', library, norm, epsilon, step, steps: taken, out };
    const { success } = await peer.ask<{ success: number[] }>(request);
    return { success, images: await readImages(out) };
  }

  async function readImages(file: string): Promise<Float32Array> {
    const bytes = await readFile(file);
    const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    return toChannelsLast(values, spec.channels, count);
  }

  async function ours({ p, epsilon, step }: Omit<Case, 'library'>, taken: number) {
    const goal = { kind: 'untargeted', labels } as const;
    return await pgd(model, images, goal, ids, {
      norm: p,
      epsilon,
      step: { kind: 'absolute', size: step },
      steps: taken,
      start: 'origin',
      stop: 'all-steps',
      keep: 'last',
      projection: 'sequential',
      stepRule: 'plain',
      checkAt8Bits: false,
    });
  }

  function gradientAtImages(): Float32Array {
    const aims = Array.from(labels, (label) => {
      return { kind: 'untargeted', goalClass: label, cleanClass: label } as const;
    });
    return ascentGradient(model, images, aims, 'cross-entropy').gradient;
  }

  it('begins with the same predictions', () => {
    expect(peer.accuracy).toBe(1);
  });

  /** Largest |ours - theirs| of every image over the entries that `counts` admits. */
  function apart(our: Float32Array, their: Float32Array, counts: (at: number) => boolean = () => true): number[] {
    return Array.from(ids, (i) => {
      let largest = 0;
      for (let at = i * length; at < (i + 1) * length; at++) {
        if (counts(at)) largest = Math.max(largest, Math.abs((our[at] as number) - (their[at] as number)));
      }
      return largest;
    });
  }

  /**
   * float64 PyTorch's direction of ascent at the images, the one with the relu input nearest to zero on its other side where that is within
   * float32's rounding, and the probability that the model leaves to the other classes.
   */
  async function referee(): Promise<{
    readonly gradient: Float32Array;
    readonly otherSide: Float32Array;
    readonly missed: readonly number[];
  }> {
    const [out, other] = [peer.file('referee.f32'), peer.file('other-side.f32')];
    const request = { command: 'referee', out, otherSide: other };
    const { logits, kinks } = await peer.ask<{ logits: number[][]; kinks: number[] }>(request);
    const missed = logits.map((row, i) => {
      const weights = row.map((z) => Math.exp(z - Math.max(...row)));
      const total = weights.reduce((sum, weight) => sum + weight, 0);
      return weights.reduce((sum, weight, k) => sum + (k === labels[i] ? 0 : weight), 0) / total;
    });
    const [gradient, turned] = [await readImages(out), await readImages(other)];
    const otherSide = gradient.map((value, at) =>
      (kinks[Math.floor(at / length)] as number) < nearKink ? (turned[at] as number) : value,
    );
    return { gradient, otherSide, missed };
  }

  /** The first l_2 step along `gradient`, in float64 but for the result. */
  function firstStep(gradient: Float32Array, size: number): Float32Array {
    const norms = Array.from(ids, (i) => Math.hypot(...gradient.subarray(i * length, (i + 1) * length)));
    return images.map((pixel, at) => {
      const move = (size * (gradient[at] as number)) / (norms[Math.floor(at / length)] as number);
      return Math.min(Math.max(pixel + move, 0), 1);
    });
  }

  it.each(cases)(
    'takes the same first step as $library for p = $p on every image whose gradient is neither near zero nor at a kink',
    async (one) => {
      const [our, their] = [await ours(one, 1), await theirs(one, 1)];
      const { gradient, otherSide, missed } = await referee();
      const sides = apart(firstStep(gradient, one.step), firstStep(otherSide, one.step));
      const isFarFromZero = (at: number): boolean => Math.abs(gradient[at] as number) >= nearZeroEntry;
      // A step for p = 2 mixes all entries; for the other two each entry counts by its sign or its rank.
      const differences = apart(our.images, their.images, one.p === 2 ? undefined : isFarFromZero);
      // Where the two sides of a kink lie half the tolerance apart; signs and ranks of large entries do not depend on it.
      const jumps = (i: number): boolean => one.p === 2 && (sides[i] as number) >= 5e-5;
      const compared = [...ids].filter((i) => (missed[i] as number) >= nearZeroImage && !jumps(i));
      expect(compared.length).toBeGreaterThan(0.75 * count);
      expect(compared.filter((i) => (differences[i] as number) >= 1e-4)).toEqual([]);
    },
  );

  it('takes the first l_2 step of float64 PyTorch on all images, also where the gradient is near zero and a peer in float32 does not', async () => {
    const one = { library: 'foolbox', p: 2, epsilon: 1, step: 0.2 } as const;
    const [our, their] = [await ours(one, 1), await theirs(one, 1)];
    const { gradient, otherSide } = await referee();
    /** From the nearer of both sides of an image's kink. */
    const apartFromExact = (moved: Float32Array): number[] => {
      const [from, fromOther] = [gradient, otherSide].map((exact) => apart(moved, firstStep(exact, one.step)));
      return from?.map((difference, i) => Math.min(difference, fromOther?.[i] as number)) ?? [];
    };
    expect(Math.max(...apartFromExact(our.images))).toBeLessThan(1e-5);
    expect(apartFromExact(their.images).filter((difference) => difference >= 1e-4).length).toBeGreaterThan(0);
  });

  it.each(cases)(`breaks the same images as $library in ${steps} steps for p = $p`, async (one) => {
    const [our, their] = [await ours(one, steps), await theirs(one, steps)];
    const agreeing = their.success.filter((success, i) => success === our.success[i]).length;
    expect(agreeing).toBeGreaterThanOrEqual(0.99 * count);
    const broken = their.success.reduce((sum, success) => sum + success, 0);
    // Appendix E's step for p = 1 freezes once its pixel reaches the box, so that few images fall.
    expect(broken).toBeGreaterThan(one.p === 1 ? 0 : 0.1 * count);
    expect(broken).toBeLessThan(0.9 * count);
  });

  it('differs from foolbox for p = 1, whose step of g / ||g||_1 is not steepest: ours gains more of the linear term', async () => {
    const one = { library: 'foolbox', p: 1, epsilon: 2, step: 0.1 } as const;
    const [our, their] = [await ours(one, 1), await theirs(one, 1)];
    const gradient = gradientAtImages();
    const gain = (moved: Float32Array, i: number): number => {
      let sum = 0;
      for (let at = i * length; at < (i + 1) * length; at++) {
        sum += (gradient[at] as number) * ((moved[at] as number) - (images[at] as number));
      }
      return sum;
    };
    // Where the box lets the one pixel move that Appendix E chooses.
    const free = [...ids].filter((i) => {
      const row = (of: Float32Array): Float32Array => of.subarray(i * length, (i + 1) * length);
      return distance(row(our.images), row(images), 1) > 0.99 * one.step;
    });
    expect(free.length).toBeGreaterThan(0.5 * count);
    for (const i of free) expect(gain(our.images, i)).toBeGreaterThan(gain(their.images, i));
  });

  it('differs from ART for p = 1 beyond the ball, which it projects on by rescaling: ours is the nearest point', async () => {
    const one = { library: 'art', p: 1, epsilon: 0.6, step: 0.5 } as const;
    const [our, their] = [await ours(one, 6), await theirs(one, 6)];
    let apart = 0;
    for (let i = 0; i < count; i++) {
      const row = (of: Float32Array): Float32Array => of.subarray(i * length, (i + 1) * length);
      expect(distance(row(our.images), row(images), 1)).toBeLessThanOrEqual(one.epsilon);
      if (distance(row(our.images), row(their.images), Number.POSITIVE_INFINITY) > 1e-3) apart++;
    }
    expect(apart).toBeGreaterThan(0.1 * count);
  });
});
