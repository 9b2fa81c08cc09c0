import * as tf from '@tensorflow/tfjs-core';
import { type GradientTable, runKernel } from './kernel-call.js';

const rowSum = (x: tf.Tensor): tf.Tensor => tf.sum(x, 1, true);

/** log softmax of each row, with gradients of any order. */
function logProbabilities(logits: tf.Tensor2D): tf.Tensor2D {
  const shifted = tf.sub(logits, tf.max(logits, 1, true));
  return tf.sub(shifted, tf.log(rowSum(tf.exp(shifted))));
}

/** L = -sum_k t_k log p_k: dL/dz = (sum_k t_k) p - t, dL/dt = -log p. */
const crossEntropy: tf.GradConfig = {
  kernelName: 'SoftmaxCrossEntropy',
  inputsToSave: ['logits', 'targets'],
  gradFunc: (gradient, saved): GradientTable => {
    const dy = gradient as tf.Tensor1D;
    const [logits, targets] = saved as [tf.Tensor2D, tf.Tensor2D];
    return {
      logits: () => runKernel('SoftmaxCrossEntropyGrad', { dy, logits, targets }),
      targets: () => tf.neg(tf.mul(tf.expandDims(dy, 1), logProbabilities(logits))),
    };
  },
};

/** G = dy ((sum_k t_k) p - t), differentiated against u. */
const crossEntropyGrad: tf.GradConfig = {
  kernelName: 'SoftmaxCrossEntropyGrad',
  inputsToSave: ['dy', 'logits', 'targets'],
  gradFunc: (gradient, saved): GradientTable => {
    const u = gradient as tf.Tensor2D;
    const [rowFactors, logits, targets] = saved as [tf.Tensor1D, tf.Tensor2D, tf.Tensor2D];
    const dy = tf.expandDims(rowFactors, 1);
    const probabilities = (): tf.Tensor => tf.softmax(logits);
    const mass = (): tf.Tensor => rowSum(targets);
    return {
      dy: () => tf.sum(tf.mul(u, tf.sub(tf.mul(mass(), probabilities()), targets)), 1),
      logits: () => {
        const p = probabilities();
        const weighted = tf.mul(u, p);
        return tf.mul(tf.mul(dy, mass()), tf.sub(weighted, tf.mul(p, rowSum(weighted))));
      },
      targets: () => tf.mul(dy, tf.sub(rowSum(tf.mul(u, probabilities())), u)),
    };
  },
};

/** Gradients of the native engine's cross-entropy kernels, first and second order. */
export const crossEntropyGradients: readonly tf.GradConfig[] = [crossEntropy, crossEntropyGrad];
