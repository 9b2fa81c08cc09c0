import * as tf from '@tensorflow/tfjs-core';
import { hasKernel, runKernel } from './kernel-call.js';

/** log sum_k exp(z_k) of each row, [batch]; stable, and differentiable any number of times. */
export function logSumExp(logits: tf.Tensor2D): tf.Tensor1D {
  return tf.customGrad((...args: unknown[]) => {
    const [z, save] = args as [tf.Tensor2D, (tensors: tf.Tensor[]) => void];
    save([z]);
    const highest = tf.max(z, 1, true);
    const value = tf.add(tf.log(tf.sum(tf.exp(tf.sub(z, highest)), 1)), tf.squeeze(highest, [1]));
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        tf.mul(tf.expandDims(dy, 1), tf.softmax(saved[0] as tf.Tensor2D)),
    };
  })(logits) as tf.Tensor1D;
}

/** log softmax of each row; stable, and differentiable any number of times. */
export function logSoftmax(logits: tf.Tensor2D): tf.Tensor2D {
  return tf.sub(logits, tf.expandDims(logSumExp(logits), 1)) as tf.Tensor2D;
}

/** Cross-entropy -sum_k t_k log softmax(z)_k of each row, [batch]; `targets` are rows of probabilities and may be differentiated too. */
export function softmaxCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor1D {
  if (hasKernel('SoftmaxCrossEntropy')) return runKernel('SoftmaxCrossEntropy', { logits, targets });
  return composedSoftmaxCrossEntropy(logits, targets);
}

/** `softmaxCrossEntropy` out of TF.js's own operations. */
export function composedSoftmaxCrossEntropy(logits: tf.Tensor2D, targets: tf.Tensor2D): tf.Tensor1D {
  return tf.neg(tf.sum(tf.mul(targets, logSoftmax(logits)), 1)) as tf.Tensor1D;
}

/** KL(softmax(p) || softmax(q)) of each row, from logits, [batch]; gradients flow through both. */
export function klDivergence(p: tf.Tensor2D, q: tf.Tensor2D): tf.Tensor1D {
  const logP = logSoftmax(p);
  return tf.sum(tf.mul(tf.softmax(p), tf.sub(logP, logSoftmax(q))), 1) as tf.Tensor1D;
}
