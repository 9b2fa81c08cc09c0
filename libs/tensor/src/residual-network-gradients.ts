import * as tf from '@tensorflow/tfjs-core';
import { gradientBy } from './gradient-by.js';
import type { GradientTable } from './kernel-call.js';
import { composedResidualNetwork, type ResidualNetwork, residualNetworkKernel } from './residual-network.js';

/**
 * First gradients of the native engine's network kernel: by the images from one kernel, by a tensor of the network through the composed one.
 * Inside a gradient of a gradient the network is composed, so there is no second.
 */
export const residualNetworkGradient: tf.GradConfig = {
  kernelName: residualNetworkKernel,
  inputsToSave: ['x'],
  outputsToSave: [true],
  gradFunc: (gradient, saved, attrs): GradientTable => {
    const dy = gradient as tf.Tensor;
    const [x, y] = saved as [tf.Tensor4D, tf.Tensor];
    const { network } = attrs as unknown as { network: ResidualNetwork };
    const byTensor = (index: number): tf.Tensor =>
      gradientBy(
        (tensor) => composedResidualNetwork(x, { ...network, tensors: network.tensors.with(index, tensor) }),
        network.tensors[index] as tf.Tensor,
        dy,
      );
    return {
      ...Object.fromEntries(network.tensors.map((_, index) => [index, () => byTensor(index)])),
      x: () => tf.engine().runKernel(`${residualNetworkKernel}InputGrad`, { x, y, dy }, attrs) as tf.Tensor,
    };
  },
};
