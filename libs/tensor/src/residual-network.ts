import * as tf from '@tensorflow/tfjs-core';
import { batchNormReluInference } from './batch-norm.js';
import { conv2d } from './convolution.js';
import { hasKernel } from './kernel-call.js';
import { dense, globalMeanPool } from './layers.js';
import { preActivationBlockInference } from './pre-activation-block.js';
import type { Precision } from './precision.js';

/**
 * A pre-activation residual network in inference mode: x scale + shift by channel, a 3x3 convolution, blocks, batch norm and relu, the mean
 * over all pixels, a linear layer.
 */
export interface ResidualNetwork {
  /**
   * All its tensors in order: pixel scale and shift [channels], the stem's filter; of each block gamma1, beta1, mean1, variance1, filter1,
   * gamma2, beta2, mean2, variance2, filter2 and, where it projects, the shortcut's filter; gamma, beta, mean, variance, the linear layer's
   * weight [features, classes] and bias [classes].
   */
  readonly tensors: readonly tf.Tensor[];
  readonly blocks: readonly {
    /** Of the first convolution and the shortcut. */
    readonly stride: number;
    /** Whether the shortcut is a 1x1 convolution rather than the block's input itself. */
    readonly projects: boolean;
  }[];
  readonly epsilon: number;
  /** Of the blocks' filters; the stem and the linear layer are float32. */
  readonly precision: Precision;
}

/** Name of the native engine's kernel that computes a whole network. */
export const residualNetworkKernel = 'ResidualNetworkInference';

/** Logits [batch, classes] of images [batch, height, width, channels]. All gradients flow, twice. */
export function residualNetworkInference(images: tf.Tensor4D, network: ResidualNetwork): tf.Tensor2D {
  const { gradientDepth } = tf.engine().state;
  // The kernel differentiates once: inside a gradient of a gradient the network is made of smaller ones.
  if (!hasKernel(residualNetworkKernel) || gradientDepth > 1) return composedResidualNetwork(images, network);
  const inputs = { x: images, ...network.tensors } as unknown as tf.NamedTensorMap;
  const attributes = { network, keepActivations: gradientDepth > 0 } as unknown as tf.NamedAttrMap;
  return tf.engine().runKernel(residualNetworkKernel, inputs, attributes) as tf.Tensor2D;
}

/** `residualNetworkInference` out of convolutions, blocks and batch norms. */
export function composedResidualNetwork(images: tf.Tensor4D, network: ResidualNetwork): tf.Tensor2D {
  const { blocks, epsilon, precision } = network;
  const tensors = network.tensors.values();
  const next = <T extends tf.Tensor>(): T => tensors.next().value as T;
  const pixels = tf.add(tf.mul(images, next<tf.Tensor1D>()), next<tf.Tensor1D>()) as tf.Tensor4D;
  let x = conv2d(pixels, next<tf.Tensor4D>(), 1, 1);
  for (const { stride, projects } of blocks) {
    const [gamma1, beta1, mean1, variance1] = [next(), next(), next(), next()] as tf.Tensor1D[] as Vectors;
    const filter1 = next<tf.Tensor4D>();
    const [gamma2, beta2, mean2, variance2] = [next(), next(), next(), next()] as tf.Tensor1D[] as Vectors;
    const filter2 = next<tf.Tensor4D>();
    const shortcut = projects ? { shortcut: next<tf.Tensor4D>() } : {};
    const weights = { gamma1, beta1, filter1, gamma2, beta2, filter2, ...shortcut };
    x = preActivationBlockInference(x, weights, { mean1, variance1, mean2, variance2 }, stride, epsilon, precision);
  }
  const [gamma, beta, mean, variance] = [next(), next(), next(), next()] as tf.Tensor1D[] as Vectors;
  const features = globalMeanPool(batchNormReluInference(x, gamma, beta, mean, variance, epsilon));
  return dense(features, next<tf.Tensor2D>(), next<tf.Tensor1D>());
}

type Vectors = [tf.Tensor1D, tf.Tensor1D, tf.Tensor1D, tf.Tensor1D];
