import {
  batchNormReluTrain,
  conv2d,
  dense,
  globalMeanPool,
  type HostTensor,
  moveAverages,
  type Precision,
  preActivationBlockTrain,
  type ResidualNetwork,
  residualNetworkInference,
  uniformArray,
} from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Classifier } from './classifier.js';
import { InvalidModelSpecError, type ModelSpec, validateModelSpec } from './model-spec.js';
import {
  type BlockLayout,
  blockLayouts,
  isStatistic,
  type ParameterEntry,
  parameterLayout,
} from './parameter-layout.js';
import { fromTorchLayout, torchShape, toTorchLayout } from './torch-layout.js';

/** PyTorch's defaults for batch normalisation. */
export const batchNormEpsilon = 1e-5;
const statisticsMomentum = 0.1;

/** Thrown when named tensors are not those of a model. */
export class WeightsMismatchError extends Error {
  constructor(message: string) {
    super(`the weights do not fit the model: ${message}`);
    this.name = 'WeightsMismatchError';
  }
}

/** What models of every precision share. */
interface SharedWeights {
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly statistics: ReadonlyMap<string, tf.Variable>;
  readonly pixelScale: tf.Tensor1D;
  readonly pixelShift: tf.Tensor1D;
}

/**
 * The pre-activation ResNet of He et al. (2016) as the paper's code has it: stem without normalisation, blocks whose shortcut takes the raw
 * input, a final batch norm and relu, mean pooling, a linear layer. Normalisation of the input is inside, so all geometry is in pixels.
 */
export class PreActResNet implements Classifier {
  readonly spec: ModelSpec;
  /** Trainable parameters by PyTorch's name, in TF.js's layout. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  /** Running means and variances by PyTorch's name. */
  readonly statistics: ReadonlyMap<string, tf.Variable>;
  /** What the filters of the residual blocks are kept in; the weights themselves are float32. */
  readonly precision: Precision;
  readonly #entries: readonly ParameterEntry[];
  readonly #blocks: readonly BlockLayout[];
  readonly #weights: SharedWeights;
  readonly #inference: ResidualNetwork;

  private constructor(spec: ModelSpec, weights: SharedWeights, precision: Precision) {
    this.spec = spec;
    this.precision = precision;
    this.#entries = parameterLayout(spec);
    this.#blocks = blockLayouts(spec);
    this.#weights = weights;
    this.parameters = weights.parameters;
    this.statistics = weights.statistics;
    this.#inference = this.#inferenceNetwork();
  }

  static #create(spec: ModelSpec, value: (entry: ParameterEntry) => Float32Array): PreActResNet {
    const violations = validateModelSpec(spec);
    if (violations.length > 0) throw new InvalidModelSpecError(violations);
    const parameters = new Map<string, tf.Variable>();
    const statistics = new Map<string, tf.Variable>();
    for (const entry of parameterLayout(spec)) {
      const variable = tf.tidy(() => tf.variable(tf.tensor(value(entry), [...entry.shape]), !isStatistic(entry)));
      (isStatistic(entry) ? statistics : parameters).set(entry.name, variable);
    }
    const pixelScale = tf.keep(tf.tensor1d(spec.std.map((std) => 1 / std)));
    const pixelShift = tf.keep(tf.tensor1d(spec.mean.map((mean, channel) => -mean / (spec.std[channel] as number))));
    return new PreActResNet(spec, { parameters, statistics, pixelScale, pixelShift }, 'float32');
  }

  /** A model with PyTorch's initial weights, a pure function of spec and seed: U(-1/sqrt(fan in), 1/sqrt(fan in)); gamma 1, beta 0. */
  static initialise(spec: ModelSpec, seed: number): PreActResNet {
    let index = 0;
    return PreActResNet.#create(spec, (entry) => {
      const size = entry.shape.reduce((product, side) => product * side, 1);
      const sample = index++;
      switch (entry.kind) {
        case 'scale':
        case 'running-variance':
          return new Float32Array(size).fill(1);
        case 'shift':
        case 'running-mean':
          return new Float32Array(size);
        default: {
          const bound = 1 / Math.sqrt(entry.fanIn);
          return uniformArray({ seed, purpose: 'initial weights', sample }, size, -bound, bound);
        }
      }
    });
  }

  /**
   * A model with given weights, in PyTorch's names and layouts; `shortcut.0.weight` and a leading `module.` are understood,
   * `num_batches_tracked` is ignored.
   *
   * @throws WeightsMismatchError naming what is missing, left over or of the wrong shape; InvalidModelSpecError.
   */
  static fromTensors(spec: ModelSpec, tensors: Readonly<Record<string, HostTensor>>): PreActResNet {
    const named = new Map(Object.entries(tensors).map(([name, tensor]) => [canonicalName(name), tensor]));
    const model = PreActResNet.#create(spec, (entry) => {
      const tensor = named.get(entry.name);
      if (tensor === undefined) throw new WeightsMismatchError(`${entry.name} is missing`);
      const expected = torchShape(entry);
      if (tensor.dtype !== 'F32' || tensor.shape.join() !== expected.join()) {
        throw new WeightsMismatchError(
          `${entry.name} must be F32 of shape [${expected.join(', ')}], got ${tensor.dtype} of shape [${tensor.shape.join(', ')}]`,
        );
      }
      const broken = tensor.data.findIndex((value) => !Number.isFinite(value));
      if (broken >= 0) throw new WeightsMismatchError(`${entry.name} holds ${tensor.data[broken]} at value ${broken}`);
      named.delete(entry.name);
      return fromTorchLayout(entry, tensor.data);
    });
    const left = [...named.keys()].filter((name) => !name.endsWith('num_batches_tracked'));
    if (left.length > 0) {
      model.dispose();
      throw new WeightsMismatchError(
        `${left[0]} belongs to no layer${left.length > 1 ? ` (nor do ${left.length - 1} others)` : ''}`,
      );
    }
    return model;
  }

  /** The same model, weights and all, with the filters of its residual blocks kept in `precision`. */
  withPrecision(precision: Precision): PreActResNet {
    return precision === this.precision ? this : new PreActResNet(this.spec, this.#weights, precision);
  }

  get classes(): number {
    return this.spec.classes;
  }

  get inputShape(): readonly [number, number, number] {
    return [this.spec.height, this.spec.widthPixels, this.spec.channels];
  }

  logits(images: tf.Tensor4D): tf.Tensor2D {
    return tf.tidy(() => residualNetworkInference(images, this.#inference));
  }

  /** Logits in training mode, normalised by the batch's own statistics, with or without moving the running ones. */
  logitsTraining(images: tf.Tensor4D, statistics: 'update' | 'keep'): tf.Tensor2D {
    return tf.tidy(() => {
      const { pixelScale, pixelShift } = this.#weights;
      const pixels = tf.add(tf.mul(images, pixelScale), pixelShift) as tf.Tensor4D;
      let x = conv2d(pixels, this.#filter('conv1'), 1, 1);
      for (const block of this.#blocks) x = this.#block(x, block, statistics);
      const features = globalMeanPool(this.#normaliseRelu(x, 'bn', statistics));
      return dense(features, this.#variable('linear.weight') as tf.Tensor as tf.Tensor2D, this.#vector('linear.bias'));
    });
  }

  /** Copies of all weights in PyTorch's names and layouts. */
  toTensors(): Record<string, HostTensor> {
    return Object.fromEntries(
      this.#entries.map((entry) => {
        const data = toTorchLayout(entry, this.#variable(entry.name).dataSync() as Float32Array);
        return [entry.name, { dtype: 'F32', shape: torchShape(entry), data }];
      }),
    );
  }

  /** Frees the weights; neither the model nor one that shares them may be used afterwards. */
  dispose(): void {
    for (const variable of [...this.parameters.values(), ...this.statistics.values()]) variable.dispose();
    this.#weights.pixelScale.dispose();
    this.#weights.pixelShift.dispose();
  }

  #inferenceNetwork(): ResidualNetwork {
    const norm = (name: string): string[] =>
      ['weight', 'bias', 'running_mean', 'running_var'].map((part) => `${name}.${part}`);
    const names = [
      'conv1.weight',
      ...this.#blocks.flatMap(({ name, projection }) => [
        ...norm(`${name}.bn1`),
        `${name}.conv1.weight`,
        ...norm(`${name}.bn2`),
        `${name}.conv2.weight`,
        ...(projection ? [`${name}.shortcut.weight`] : []),
      ]),
      ...norm('bn'),
      'linear.weight',
      'linear.bias',
    ];
    return {
      tensors: [
        this.#weights.pixelScale,
        this.#weights.pixelShift,
        ...names.map((name) => this.#variable(name) as tf.Tensor),
      ],
      blocks: this.#blocks.map(({ stride, projection }) => ({ stride, projects: projection })),
      epsilon: batchNormEpsilon,
      precision: this.precision,
    };
  }

  #block(x: tf.Tensor4D, { name, stride, projection }: BlockLayout, statistics: 'update' | 'keep'): tf.Tensor4D {
    const weights = {
      gamma1: this.#vector(`${name}.bn1.weight`),
      beta1: this.#vector(`${name}.bn1.bias`),
      filter1: this.#filter(`${name}.conv1`),
      gamma2: this.#vector(`${name}.bn2.weight`),
      beta2: this.#vector(`${name}.bn2.bias`),
      filter2: this.#filter(`${name}.conv2`),
      ...(projection ? { shortcut: this.#filter(`${name}.shortcut`) } : {}),
    };
    const block = preActivationBlockTrain(x, weights, stride, batchNormEpsilon, this.precision);
    if (statistics === 'update') {
      this.#moveStatistics(`${name}.bn1`, block.mean1, block.variance1, valuesPerChannel(x));
      this.#moveStatistics(`${name}.bn2`, block.mean2, block.variance2, valuesPerChannel(block.output));
    }
    return block.output;
  }

  #normaliseRelu(x: tf.Tensor4D, name: string, statistics: 'update' | 'keep'): tf.Tensor4D {
    const [gamma, beta] = [this.#vector(`${name}.weight`), this.#vector(`${name}.bias`)];
    const { output, mean, variance } = batchNormReluTrain(x, gamma, beta, batchNormEpsilon);
    if (statistics === 'update') this.#moveStatistics(name, mean, variance, valuesPerChannel(x));
    return output;
  }

  /** PyTorch's running statistics: a moving average with the unbiased variance. */
  #moveStatistics(name: string, mean: tf.Tensor1D, variance: tf.Tensor1D, count: number): void {
    const [runningMean, runningVariance] = [
      this.#variable(`${name}.running_mean`),
      this.#variable(`${name}.running_var`),
    ];
    moveAverages(runningMean, runningVariance, mean, variance, statisticsMomentum, count);
  }

  #variable(name: string): tf.Variable {
    return (this.parameters.get(name) ?? this.statistics.get(name)) as tf.Variable;
  }

  #filter(name: string): tf.Tensor4D {
    return this.#variable(`${name}.weight`) as tf.Tensor as tf.Tensor4D;
  }

  #vector(name: string): tf.Tensor1D {
    return this.#variable(name) as tf.Tensor as tf.Tensor1D;
  }
}

function canonicalName(name: string): string {
  return name.replace(/^module\./, '').replace('.shortcut.0.', '.shortcut.');
}

function valuesPerChannel(x: tf.Tensor4D): number {
  return x.size / x.shape[3];
}
