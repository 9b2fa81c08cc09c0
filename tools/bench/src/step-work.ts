import { type ModelSpec, PreActResNet } from '@percept/models';
import { inputGradient, linfStep, parameterGradients, sgdMomentumStep, softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { BenchOptions } from './options.js';

const epsilon = 8 / 255;
const stepSize = 2 / 255;
const optimiser = { learningRate: 0.01, momentum: 0.9, weightDecay: 5e-4 };

/** PreActResNet18 of a width, for CIFAR-10. */
export function specOf(width: number): ModelSpec {
  return {
    architecture: 'preact-resnet',
    width,
    blocks: [2, 2, 2, 2],
    classes: 10,
    height: 32,
    widthPixels: 32,
    channels: 3,
    mean: [0.4914, 0.4822, 0.4465],
    std: [0.2471, 0.2435, 0.2616],
  };
}

/** The work that the step benchmarks time: a model, a batch, and what is done with them. Owns its tensors. */
export class StepWork {
  readonly #model: PreActResNet;
  readonly #images: tf.Tensor4D;
  readonly #targets: tf.Tensor2D;
  readonly #velocities: readonly tf.Variable[];
  readonly #parameters: readonly tf.Variable[];
  #iterate: tf.Tensor4D;

  constructor({ width, batch, precision }: BenchOptions) {
    this.#model = PreActResNet.initialise(specOf(width), 0).withPrecision(precision);
    this.#images = tf.randomUniform([batch, 32, 32, 3], 0, 1, 'float32', 7);
    const labels = Int32Array.from({ length: batch }, (_, i) => i % 10);
    this.#targets = tf.tidy(() => tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), 10), 'float32')) as tf.Tensor2D;
    this.#parameters = [...this.#model.parameters.values()];
    this.#velocities = tf.tidy(() => this.#parameters.map((parameter) => tf.variable(tf.zerosLike(parameter), false)));
    this.#iterate = this.#images.clone();
  }

  /** One l_inf PGD step in inference mode: no parameter gradients. */
  pgdStep(): void {
    const next = tf.tidy(() => {
      const loss = (x: tf.Tensor4D): tf.Tensor1D => softmaxCrossEntropy(this.#model.logits(x), this.#targets);
      const { gradient } = inputGradient(loss, this.#iterate);
      return linfStep(this.#iterate, gradient, this.#images, stepSize, epsilon);
    });
    this.#iterate.dispose();
    this.#iterate = next;
  }

  /** One training step on the images: forward, backward, SGD with momentum, running statistics. */
  trainStep(): void {
    this.#train(() => this.#meanLoss(this.#images));
  }

  /** Seven PGD steps from the images, then a training step on where they lead. */
  pgd7Step(): void {
    this.#iterate.dispose();
    this.#iterate = this.#images.clone();
    for (let i = 0; i < 7; i++) this.pgdStep();
    this.#train(() => this.#meanLoss(this.#iterate));
  }

  /** A training step on cross-entropy plus the mean squared l_2 norm of its input gradient: double backpropagation. */
  gradientPenaltyStep(): void {
    this.#train(() => {
      const losses = (x: tf.Tensor4D): tf.Tensor1D =>
        softmaxCrossEntropy(this.#model.logitsTraining(x, 'update'), this.#targets);
      const { losses: perSample, gradient } = inputGradient(losses, this.#images);
      const penalty = tf.mean(tf.sum(tf.square(gradient), [1, 2, 3]));
      return tf.add(tf.mean(perSample), penalty) as tf.Scalar;
    });
  }

  /** Waits until everything is computed. */
  finish(): void {
    tf.tidy(() => tf.sum(this.#iterate).dataSync());
    tf.tidy(() => tf.sum(this.#parameters[0] as tf.Tensor).dataSync());
  }

  dispose(): void {
    this.#model.dispose();
    tf.dispose([this.#images, this.#targets, this.#iterate, ...this.#velocities]);
  }

  #meanLoss(images: tf.Tensor4D): tf.Scalar {
    return tf.mean(softmaxCrossEntropy(this.#model.logitsTraining(images, 'update'), this.#targets)) as tf.Scalar;
  }

  #train(loss: () => tf.Scalar): void {
    tf.tidy(() => {
      const { gradients } = parameterGradients(loss, this.#parameters);
      for (const [i, parameter] of this.#parameters.entries()) {
        sgdMomentumStep(parameter, this.#velocities[i] as tf.Variable, gradients[i] as tf.Tensor, optimiser);
      }
    });
  }
}
