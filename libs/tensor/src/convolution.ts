import * as tf from '@tensorflow/tfjs-core';

/**
 * 2-D convolution with symmetric zero padding, as PyTorch has it.
 *
 * `images` [batch, height, width, in], `filter` [height, width, in, out]; output side = floor((side + 2 pad - kernel) / stride) + 1.
 * TF.js's `same` pads a strided convolution of an even side differently, and so is another function.
 */
export function conv2d(images: tf.Tensor4D, filter: tf.Tensor4D, stride: number, pad: number): tf.Tensor4D {
  if (tf.getBackend() !== 'tensorflow') return tf.conv2d(images, filter, stride, pad);
  // tfjs-node's gradient kernels take no numeric padding.
  const padded =
    pad === 0
      ? images
      : tf.pad4d(images, [
          [0, 0],
          [pad, pad],
          [pad, pad],
          [0, 0],
        ]);
  return tf.conv2d(padded, filter, stride, 'valid');
}
