import { forwardLogits } from '@percept/attacks';
import type { Classifier } from '@percept/models';
import { RandomStream, selectEngine } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  budgetGrid,
  type HonestyIndicator,
  honestyReport,
  type NamedAttack,
  type ProfileSettings,
  profile,
  type Samples,
  selectSamples,
  type WitnessLedger,
} from '../src/index.js';
import { seededNumbers } from './small-classifiers.js';

const shape = [4, 4, 1] as const;
const classes = 3;
const size = 90;
const strong: NamedAttack = {
  name: 'pgd',
  options: { steps: 20, restarts: 2, step: { kind: 'relative', size: 0.25 }, loss: 'margin' },
};

beforeAll(async () => {
  await selectEngine({ engine: 'cpu' });
});

/** A sound model: two layers around grey, its classes used about alike. */
function sound(): Classifier {
  return around(31);
}

function around(seed: number): Classifier {
  const first = tf.tensor2d(seededNumbers(seed, 16 * 12), [16, 12]);
  const second = tf.tensor2d(seededNumbers(seed + 1, 12 * classes), [12, classes]);
  return {
    classes,
    inputShape: shape,
    logits: (images) => {
      const flat = tf.reshape(tf.sub(images, 0.5), [images.shape[0], 16]) as tf.Tensor2D;
      return tf.matMul(tf.tanh(tf.matMul(flat, first)), second);
    },
  };
}

/** What `model` answers, with something done to it. */
function changed(model: Classifier, logits: (images: tf.Tensor4D) => tf.Tensor2D): Classifier {
  return { classes: model.classes, inputShape: model.inputShape, logits };
}

/** Images that `model` labels right by construction, the same number of each class where it knows as many. */
function samplesOf(model: Classifier): Samples {
  const images = seededNumbers(77, size * 16).map((value) => 0.5 + 0.3 * value);
  const logits = forwardLogits(model, images, size);
  const labels = Int32Array.from({ length: size }, (_, i) => {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    return row.indexOf(Math.max(...row));
  });
  const all = { images, labels, ids: Int32Array.from({ length: size }, (_, i) => i) };
  const kept = [0, 1, 2].flatMap((label) => [...labels.keys()].filter((i) => labels[i] === label).slice(0, 8));
  return selectSamples(all, kept);
}

function settings(attack: NamedAttack = strong): ProfileSettings {
  return {
    norm: Number.POSITIVE_INFINITY,
    grid: budgetGrid(60, 5, 100),
    strategy: 'ascending',
    attacks: [attack],
    confirmations: [],
    seed: 1,
    batchSize: 64,
  };
}

const epsilon = 0.1;

async function judge(
  model: Classifier,
  change: { samples?: Samples; attack?: NamedAttack; others?: readonly WitnessLedger[] } = {},
): Promise<Record<string, HonestyIndicator>> {
  const samples = change.samples ?? samplesOf(sound());
  const given = settings(change.attack);
  const ledger = await profile(model, samples, given);
  const indicators = await honestyReport(model, samples, ledger, {
    settings: given,
    epsilon,
    seed: 2,
    ...(change.others ? { others: change.others } : {}),
  });
  return Object.fromEntries(indicators.map((indicator) => [indicator.name, indicator]));
}

function verdicts(found: Record<string, HonestyIndicator>): Record<string, string> {
  return Object.fromEntries(Object.values(found).map(({ name, verdict }) => [name, verdict]));
}

describe('honestyReport', () => {
  it('passes a sound profile of a sound model in every check that was run, and gives each a number, a limit and advice', async () => {
    const found = await judge(sound(), {
      others: [await profile(around(5), samplesOf(sound()), settings())],
    });
    expect(Object.values(found).filter(({ verdict }) => verdict === 'fail')).toEqual([]);
    expect(
      Object.values(found)
        .filter(({ verdict }) => verdict === 'not-run')
        .map(({ name }) => name),
    ).toEqual(['classes-for-dlr']);
    for (const { verdict, value, advice, source } of Object.values(found)) {
      expect(value === undefined).toBe(verdict === 'not-run');
      expect(advice.length * source.length).toBeGreaterThan(0);
    }
  });

  it('catches shattered gradients: predictions are unstable around images', async () => {
    const shattered = changed(sound(), (images) =>
      sound().logits(tf.add(images, tf.mul(tf.sin(tf.mul(images, 900)), 0.4))),
    );
    expect(verdicts(await judge(shattered, { samples: samplesOf(shattered) }))).toMatchObject({
      'unstable-predictions': 'fail',
    });
  });

  it('catches gradients that are not those of the answers: scores alone do better', async () => {
    const reversed = tf.customGrad((x) => {
      const value = (x as tf.Tensor).clone();
      return { value, gradFunc: (dy: tf.Tensor) => tf.neg(dy) };
    });
    const broken = changed(sound(), (images) => sound().logits(reversed(images) as tf.Tensor4D));
    const found = await judge(broken);
    const { verdict, value = 0, advice } = found['scores-beat-gradients'] as HonestyIndicator;
    expect(verdict).toBe('fail');
    expect(value).toBeGreaterThan(0);
    expect(advice).toContain(
      `so that the curve is too high here by ${((100 * value) / samplesOf(sound()).ids.length).toFixed(1)} points`,
    );
  });

  it('catches gradients that vanish on the way, as of an input rounded to few levels', async () => {
    const rounded = changed(sound(), (images) => sound().logits(tf.div(tf.round(tf.mul(images, 8)), 8)));
    expect(verdicts(await judge(rounded, { samples: samplesOf(rounded) }))).toMatchObject({
      'zero-gradient-share': 'fail',
      'scores-beat-gradients': 'fail',
    });
  });

  it('catches saturated logits', async () => {
    const saturated = changed(sound(), (images) => tf.mul(sound().logits(images), 1e4));
    expect(verdicts(await judge(saturated))).toMatchObject({ 'saturated-softmax': 'fail' });
    expect(verdicts(await judge(sound()))).toMatchObject({ 'saturated-softmax': 'pass' });
  });

  it('catches a softmax in place of logits', async () => {
    const normalised = changed(sound(), (images) => tf.softmax(sound().logits(images)));
    expect(verdicts(await judge(normalised))).toMatchObject({ 'probabilities-for-logits': 'fail' });
  });

  it('catches a model that answers at random', async () => {
    const stream = new RandomStream({ seed: 6, purpose: 'noise of a test' });
    const random = changed(sound(), (images) => {
      const logits = sound().logits(images);
      const noise = Float32Array.from({ length: logits.size }, () => 0.05 * stream.nextNormal());
      return tf.add(logits, tf.tensor2d(noise, logits.shape));
    });
    expect(verdicts(await judge(random))).toMatchObject({ 'random-answers': 'fail' });
  });

  it('catches a model that says one class whatever it sees', async () => {
    const collapsed = changed(sound(), (images) =>
      tf.add(tf.mul(sound().logits(images), 1e-3), tf.tensor1d([50, 0, 0])),
    );
    expect(verdicts(await judge(collapsed))).toMatchObject({
      'class-collapse': 'fail',
      'whole-box-robustness': 'fail',
    });
  });

  it('catches an attack whose step is broken: it cannot cross the ball, one step and more steps do better', async () => {
    const weak: NamedAttack = {
      name: 'weak',
      options: { steps: 2, start: 'origin', step: { kind: 'absolute', size: 1e-3 } },
    };
    const found = verdicts(await judge(sound(), { attack: weak }));
    expect(found).toMatchObject({
      'reach-of-the-attack': 'fail',
      'single-step-beats-iterative': 'fail',
      'incomplete-optimisation': 'fail',
      'scores-beat-gradients': 'fail',
      'whole-box-robustness': 'pass',
    });
  });

  it('catches a curve that images made against another model undercut', async () => {
    const other = await profile(sound(), samplesOf(sound()), settings());
    const weak: NamedAttack = {
      name: 'weak',
      options: { steps: 1, start: 'origin', step: { kind: 'absolute', size: 1e-4 } },
    };
    const found = await judge(sound(), { attack: weak, others: [other] });
    expect(found['transfer-beats-own-attack']).toMatchObject({ verdict: 'fail' });
    expect(verdicts(await judge(sound()))).toMatchObject({ 'transfer-beats-own-attack': 'not-run' });
  });

  it.each([
    ['apgd-dlr', 'pass'],
    ['apgd-t', 'not-run'],
  ] as const)('checks a profile by %s too, saying which checks mean nothing to it', async (method, optimisation) => {
    const search: NamedAttack = { name: method, method, options: { steps: 20 } };
    expect(verdicts(await judge(sound(), { attack: search }))).toMatchObject({
      'reach-of-the-attack': 'not-run',
      'incomplete-optimisation': optimisation,
      'more-steps-break-more': 'pass',
      'classes-for-dlr': 'pass',
    });
  });

  it('refuses to compare at a budget outside the grid', async () => {
    const samples = samplesOf(sound());
    const ledger = await profile(sound(), samples, settings());
    const options = { settings: settings(), epsilon: 0.07, seed: 0 };
    await expect(honestyReport(sound(), samples, ledger, options)).rejects.toThrow(RangeError);
  });
});
