import {
  type Goal,
  inversionAsPgd,
  type PgdOptions,
  pgd,
  projectBallAndBox,
  steepestStep,
  unboundedBox,
} from '@percept/attacks';
import { logitJacobian, type SampleSmoothness, smoothness } from '@percept/measures';
import {
  fimPenalisedLoss,
  fimPenalty,
  gradientPenalty,
  scheduledStep,
  softTargets,
  temperedLoss,
  tradesLoss,
} from '@percept/recipes';
import { inputGradient, klDivergence, sgdMomentumStep, softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { type Comparison, relative, relativeToLargest, shareDiffering } from './comparison.js';
import { type GoldenVectors, goldenModel } from './golden-vectors.js';
import { compareGradients, goldenBatch, oneHot, parameterGradients, scoped, values } from './tensors.js';

const first = 1e-4;
const second = 1e-3;

/** A group of golden checks. */
export interface Group {
  readonly name: string;
  check(golden: GoldenVectors): Promise<Comparison[]> | Comparison[];
}

const compareTensor = (
  golden: GoldenVectors,
  name: string,
  actual: ArrayLike<number>,
  tolerance: number,
): Comparison => ({
  name,
  error: relativeToLargest(actual, golden.floats(name)),
  tolerance,
});

const compareImages = (
  golden: GoldenVectors,
  name: string,
  actual: ArrayLike<number>,
  tolerance: number,
): Comparison => ({
  name,
  error: relativeToLargest(actual, golden.images(name)),
  tolerance,
});

const compareScalar = (golden: GoldenVectors, name: string, actual: number, tolerance: number): Comparison => ({
  name,
  error: relative(actual, golden.scalar(name)),
  tolerance,
});

function inference(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  try {
    return scoped(() => {
      const { images, targets } = goldenBatch(golden);
      const logits = values(model.logits(images));
      const { gradient } = inputGradient((x) => softmaxCrossEntropy(model.logits(x), targets), images);
      const { loss, gradients } = parameterGradients(
        model,
        () => tf.mean(softmaxCrossEntropy(model.logits(images), targets)) as tf.Scalar,
      );
      return [
        compareTensor(golden, 'eval.logits', logits, first),
        compareScalar(golden, 'eval.loss', loss, first),
        compareImages(golden, 'eval.input_grad', values(gradient), first),
        compareGradients(golden, 'eval.param_grad.', gradients, first),
      ];
    });
  } finally {
    model.dispose();
  }
}

function geometry(golden: GoldenVectors): Comparison[] {
  const comparisons: Comparison[] = [];
  const gradient = golden.images('eval.input_grad');
  const size = gradient.length / golden.batch;
  const rows = (source: Float32Array, map: (row: Float32Array) => Float32Array): Float32Array => {
    const result = new Float32Array(source.length);
    for (let i = 0; i < golden.batch; i++) result.set(map(source.subarray(i * size, (i + 1) * size)), i * size);
    return result;
  };
  for (const name of golden.names) {
    const steepest = /^steepest\.p(.+)$/.exec(name)?.[1];
    const projected = /^project\.p(.+)$/.exec(name)?.[1];
    const order = (text: string): number => (text === 'inf' ? Number.POSITIVE_INFINITY : Number(text));
    if (steepest !== undefined) {
      const actual = rows(gradient, (row) => Float32Array.from(steepestStep(row, order(steepest)).step));
      comparisons.push(compareImages(golden, name, actual, first));
    } else if (projected !== undefined) {
      const epsilon = golden.scalar(`${name}.eps`);
      const centre = new Float32Array(size);
      const actual = rows(golden.images('project.in'), (row) =>
        projectBallAndBox(row, centre, epsilon, order(projected), unboundedBox, 'exact'),
      );
      comparisons.push(compareImages(golden, name, actual, first));
    }
  }
  return comparisons;
}

/** Later iterates of sign steps part by rounding alone, wherever a gradient passed through 0; their losses are compared all the same. */
const comparableSteps = 7;

async function attacks(golden: GoldenVectors): Promise<Comparison[]> {
  const model = goldenModel(golden);
  const targets = golden.integers('target');
  const images = golden.images('x');
  const starts = golden.images('attack.start');
  const untargeted: Goal = { kind: 'untargeted', labels: golden.integers('y') };
  const targeted: Goal = { kind: 'targeted', targets };
  const common: Partial<PgdOptions> = {
    stop: 'all-steps',
    keep: 'last',
    projection: 'sequential',
    stepRule: 'plain',
    snapshotsEvery: 1,
    restarts: 1,
    batchSize: golden.batch,
  };
  const linf: Partial<PgdOptions> = {
    ...common,
    norm: Number.POSITIVE_INFINITY,
    epsilon: golden.epsilon,
    step: { kind: 'absolute', size: golden.step },
    steps: 7,
    start: 'given',
    startImages: starts,
  };
  const from = (norm: number, epsilon: number, size: number): Partial<PgdOptions> => ({
    ...common,
    norm,
    epsilon,
    step: { kind: 'absolute', size },
    steps: 7,
    start: 'origin',
  });
  const runs: [string, Goal, Partial<PgdOptions>, readonly number[], Float32Array][] = [
    ['attack.linf.untargeted', untargeted, linf, [1, 2, 3, 4, 5, 6, 7], images],
    ['attack.linf.targeted', targeted, linf, [1, 2, 3, 4, 5, 6, 7], images],
    ['attack.l2.untargeted', untargeted, from(2, 0.5, 0.1), [1, 2, 3, 4, 5, 6, 7], images],
    ['attack.l1.untargeted', untargeted, from(1, 12, 2), [1, 2, 3, 4, 5, 6, 7], images],
    [
      'attack.unbounded.targeted',
      targeted,
      { ...inversionAsPgd({ step: { kind: 'absolute', size: golden.step }, steps: 20 }), ...common },
      [1, 10, 20],
      starts,
    ],
  ];
  const comparisons: Comparison[] = [];
  try {
    for (const [name, goal, options, steps, from] of runs) {
      const ids = Int32Array.from({ length: golden.batch }, (_, i) => i);
      const { snapshots } = await pgd(model, from, goal, ids, options);
      const expected = golden.images(name);
      const size = expected.length / steps.length;
      const loss = lossesOf(model, golden, goal);
      let pixels = 0;
      let losses = 0;
      for (const [row, step] of steps.entries()) {
        const actual = snapshots.find((snapshot) => snapshot.step === step)?.images ?? new Float32Array(0);
        const wanted = expected.subarray(row * size, (row + 1) * size);
        if (step <= comparableSteps) pixels = Math.max(pixels, shareDiffering(actual, wanted, 1e-4));
        losses = Math.max(losses, relativeToLargest(loss(actual), loss(wanted)));
      }
      comparisons.push({ name: `${name} (share of pixels)`, error: pixels, tolerance: 0.005 });
      comparisons.push({ name: `${name} (losses)`, error: losses, tolerance: 1e-3 });
    }
  } finally {
    model.dispose();
  }
  return comparisons;
}

function lossesOf(
  model: ReturnType<typeof goldenModel>,
  golden: GoldenVectors,
  goal: Goal,
): (images: Float32Array) => Float32Array {
  const { height, widthPixels, channels, classes } = golden.spec;
  return (images) =>
    scoped(() => {
      const targets = oneHot(goal.kind === 'untargeted' ? goal.labels : goal.targets, classes);
      const batch = tf.tensor4d(images, [golden.batch, height, widthPixels, channels]);
      return values(softmaxCrossEntropy(model.logits(batch), targets));
    });
}

async function smooth(golden: GoldenVectors): Promise<Comparison[]> {
  const model = goldenModel(golden);
  try {
    const images = golden.images('x');
    const ids = Int32Array.from({ length: golden.batch }, (_, i) => i);
    const measured = await smoothness(model, { images, labels: golden.integers('y'), ids }, {});
    const column = (pick: (sample: SampleSmoothness) => number): number[] => measured.samples.map(pick);
    const comparisons = [
      compareTensor(
        golden,
        'smooth.lambda_max',
        column((sample) => sample.fimLargestEigenvalue),
        second,
      ),
      compareTensor(
        golden,
        'smooth.fim_frobenius_sq',
        column((sample) => sample.fimFrobeniusSquared),
        second,
      ),
      compareTensor(
        golden,
        'smooth.jacobian_frobenius_sq',
        column((sample) => sample.jacobianFrobeniusSquared),
        second,
      ),
      compareTensor(
        golden,
        'smooth.jacobian_spectral',
        column((sample) => sample.jacobianSpectralNorm),
        second,
      ),
      compareTensor(
        golden,
        'smooth.fim_2_inf_sq',
        column((sample) => sample.fimTwoInfinitySquared),
        second,
      ),
    ];
    const exact = (golden.epsilon ** 2 / 2) * measured.mean.fimFrobeniusSquared;
    const [count = 0] = golden.shape('jacobian.softmax');
    const size = images.length / golden.batch;
    const jacobian = softmaxJacobian(logitJacobian(model, images.subarray(0, count * size), count), golden, size);
    return [
      ...comparisons,
      compareScalar(golden, 'fim_penalty.exact.eval', exact, second),
      {
        name: 'jacobian.softmax',
        error: relativeToLargest(jacobian, golden.images('jacobian.softmax')),
        tolerance: first,
      },
    ];
  } finally {
    model.dispose();
  }
}

/** Rows f_k (grad z_k - sum_j f_j grad z_j) of every sample. */
function softmaxJacobian(
  { rows: gradients, logits }: ReturnType<typeof logitJacobian>,
  golden: GoldenVectors,
  size: number,
): Float32Array {
  const { classes } = golden.spec;
  const count = logits.length / classes;
  const result = new Float32Array(count * classes * size);
  for (let i = 0; i < count; i++) {
    const z = logits.subarray(i * classes, (i + 1) * classes);
    const highest = Math.max(...z);
    const weights = Array.from(z, (value) => Math.exp(value - highest));
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    const f = weights.map((weight) => weight / total);
    for (let p = 0; p < size; p++) {
      const gradient = (k: number): number => gradients[k]?.[i * size + p] as number;
      const mean = f.reduce((sum, fk, k) => sum + fk * gradient(k), 0);
      for (let k = 0; k < classes; k++) result[(i * classes + k) * size + p] = (f[k] as number) * (gradient(k) - mean);
    }
  }
  return result;
}

function training(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  try {
    return scoped(() => {
      const { images, targets } = goldenBatch(golden);
      const logits = values(model.logitsTraining(images, 'keep'));
      const { loss, gradients } = parameterGradients(
        model,
        () => tf.mean(softmaxCrossEntropy(model.logitsTraining(images, 'update'), targets)) as tf.Scalar,
      );
      let statistics = 0;
      for (const [name, variable] of model.statistics) {
        statistics = Math.max(statistics, relativeToLargest(values(variable), golden.floats(`train.after.${name}`)));
      }
      return [
        compareTensor(golden, 'train.logits', logits, first),
        compareScalar(golden, 'train.loss', loss, first),
        compareGradients(golden, 'train.param_grad.', gradients, first),
        { name: 'train.after.*', error: statistics, tolerance: first },
      ];
    });
  } finally {
    model.dispose();
  }
}

function gradientPenalties(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  try {
    return scoped(() => {
      const { images, targets } = goldenBatch(golden);
      const penalty = (q: 1 | 2, reduction: 'per-sample' | 'batch-mean' = 'per-sample'): tf.Scalar =>
        gradientPenalty(model, images, targets, golden.epsilon, q, reduction).penalty;
      const { loss, gradients } = parameterGradients(model, () => penalty(1));
      return [
        compareScalar(golden, 'grad_penalty.q1', loss, second),
        compareScalar(golden, 'grad_penalty.q2', values(penalty(2))[0] as number, second),
        compareScalar(golden, 'grad_penalty.as_published.q1', values(penalty(1, 'batch-mean'))[0] as number, second),
        compareGradients(golden, 'grad_penalty.param_grad.', gradients, second),
      ];
    });
  } finally {
    model.dispose();
  }
}

/** The reference measured its inference-mode estimate when so many training-mode forwards of the batch had moved the running statistics. */
const forwardsBeforeProjectedEstimate = 6;

function fimPenalties(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  const drifted = goldenModel(golden);
  try {
    return scoped(() => {
      const { images, targets } = goldenBatch(golden);
      for (let i = 0; i < forwardsBeforeProjectedEstimate; i++) drifted.logitsTraining(images, 'update');
      const directions = tf.tensor2d(golden.floats('fim.v'), [golden.batch, golden.spec.classes]);
      const { loss, gradients } = parameterGradients(
        model,
        () => fimPenalisedLoss(model, images, targets, directions, golden.epsilon).penalty,
      );
      const projected = values(
        fimPenalty((x) => drifted.logits(x), images, drifted.logits(images), directions, golden.epsilon),
      )[0] as number;
      return [
        compareScalar(golden, 'fim_penalty.projected', loss, second),
        compareGradients(golden, 'fim_penalty.param_grad.', gradients, second),
        compareScalar(golden, 'fim_penalty.projected.eval', projected, second),
      ];
    });
  } finally {
    model.dispose();
    drifted.dispose();
  }
}

function trades(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  try {
    return scoped(() => {
      const { images, targets } = goldenBatch(golden);
      const adversarial = tf.tensor4d(golden.images('trades.x_adv'), images.shape);
      const kl = values(
        tf.mean(klDivergence(model.logitsTraining(images, 'keep'), model.logitsTraining(adversarial, 'keep'))),
      )[0] as number;
      const { loss, gradients } = parameterGradients(model, () => {
        const terms = tradesLoss(model, images, adversarial, targets);
        return tf.add(terms.loss, tf.mul(terms.kl, 6));
      });
      return [
        compareScalar(golden, 'trades.kl', kl, second),
        compareScalar(golden, 'trades.loss', loss, first),
        compareGradients(golden, 'trades.param_grad.', gradients, second),
      ];
    });
  } finally {
    model.dispose();
  }
}

function distillation(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  try {
    return scoped(() => {
      const { images } = goldenBatch(golden);
      const teacher = tf.tensor2d(golden.floats('distill.teacher_logits'), [golden.batch, golden.spec.classes]);
      const soft = softTargets(teacher, 100);
      const logits = model.logitsTraining(images, 'keep');
      const at = (temperature: number): number => values(temperedLoss(logits, soft, temperature))[0] as number;
      return [
        compareTensor(golden, 'distill.soft_targets', values(soft), first),
        compareScalar(golden, 'distill.loss.t1', at(1), first),
        compareScalar(golden, 'distill.loss.t100', at(100), first),
      ];
    });
  } finally {
    model.dispose();
  }
}

interface LoggedStep {
  readonly step: number;
  readonly lr: number;
  readonly momentum: number;
  readonly loss: number;
}

/** The published schedule: 15 epochs of 391 steps, peak after 7, rate 0.2, momentum 0.9 to 0.8. */
const publishedSchedule = {
  totalSteps: 5865,
  peakStep: 2737,
  maxLearningRate: 0.2,
  momentum: 0.9,
  momentumAtPeak: 0.8,
};

function schedule(golden: GoldenVectors): Comparison[] {
  let error = 0;
  for (const { step, lr, momentum } of golden.scalars['schedule'] as LoggedStep[]) {
    const actual = scheduledStep(publishedSchedule, step);
    error = Math.max(error, Math.abs(actual.learningRate - lr), Math.abs(actual.momentum - momentum));
  }
  return [{ name: 'schedule', error, tolerance: 1e-9 }];
}

function optimiser(golden: GoldenVectors): Comparison[] {
  const model = goldenModel(golden);
  const velocities = new Map(
    [...model.parameters].map(([name, variable]) => [name, tf.variable(tf.zerosLike(variable), false)]),
  );
  try {
    let losses = 0;
    for (const logged of golden.scalars['sgd.log'] as LoggedStep[]) {
      scoped(() => {
        const { images, targets } = goldenBatch(golden);
        const { value, grads } = tf.variableGrads(
          () => tf.mean(softmaxCrossEntropy(model.logitsTraining(images, 'update'), targets)) as tf.Scalar,
          [...model.parameters.values()],
        );
        losses = Math.max(losses, relative(values(value)[0] as number, logged.loss));
        const { learningRate, momentum } = scheduledStep(publishedSchedule, logged.step);
        for (const [name, variable] of model.parameters) {
          const settings = { learningRate, momentum, weightDecay: golden.weightDecay };
          sgdMomentumStep(variable, velocities.get(name) as tf.Variable, grads[variable.name] as tf.Tensor, settings);
        }
      });
    }
    const after = model.toTensors();
    let weights = 0;
    for (const name of model.parameters.keys()) {
      weights = Math.max(weights, relativeToLargest(after[name]?.data ?? [], golden.floats(`sgd.after3.${name}`)));
    }
    return [
      { name: 'sgd.log (losses)', error: losses, tolerance: second },
      { name: 'sgd.after3.*', error: weights, tolerance: second },
    ];
  } finally {
    model.dispose();
    for (const velocity of velocities.values()) velocity.dispose();
  }
}

/** Every group of the golden vectors. */
export const groups: readonly Group[] = [
  { name: 'inference', check: inference },
  { name: 'geometry', check: geometry },
  { name: 'attacks', check: attacks },
  { name: 'smoothness', check: smooth },
  { name: 'training', check: training },
  { name: 'gradient penalty', check: gradientPenalties },
  { name: 'Fisher penalty', check: fimPenalties },
  { name: 'TRADES', check: trades },
  { name: 'distillation', check: distillation },
  { name: 'schedule', check: schedule },
  { name: 'optimiser', check: optimiser },
];
