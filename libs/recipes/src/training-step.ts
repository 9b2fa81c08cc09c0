import type { Classifier, PreActResNet } from '@percept/models';
import { type RandomKey, uniformArray } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { ParameterValues } from './parameter-schema.js';

/** What a recipe sees of one training step. */
export interface TrainingStep {
  readonly model: PreActResNet;
  /** [batch, height, width, channels] in [0, 1]. */
  readonly images: tf.Tensor4D;
  /** One-hot rows of the labels. */
  readonly targets: tf.Tensor2D;
  /** Identities of the samples in the data set, keys of their random numbers. */
  readonly sampleIds: Int32Array;
  readonly parameters: ParameterValues;
  readonly seed: number;
  /** Optimiser steps before this one. */
  readonly step: number;
  /** The teacher of a distillation. */
  readonly teacher?: Classifier;
  /** Called between the steps of inner attacks; throws once the training is cancelled. */
  checkpoint(): Promise<void>;
}

/** A parameter's value. @throws RangeError when the step lacks it. */
export function parameter(step: Pick<TrainingStep, 'parameters'>, name: string): number {
  const value = step.parameters[name];
  if (value === undefined) throw new RangeError(`the training step lacks the parameter ${name}`);
  return value;
}

/** Uniform noise of [-radius, radius] per value, keyed per sample, so that it does not depend on the batch. */
export function uniformNoise(step: TrainingStep, radius: number, purpose: string): tf.Tensor4D {
  const [batch, height, width, channels] = step.images.shape;
  const size = height * width * channels;
  const noise = new Float32Array(batch * size);
  for (let i = 0; i < batch; i++) {
    const key: RandomKey = { seed: step.seed, purpose, sample: step.sampleIds[i] as number, step: step.step };
    noise.set(uniformArray(key, size, -radius, radius), i * size);
  }
  return tf.tensor4d(noise, [batch, height, width, channels]);
}
