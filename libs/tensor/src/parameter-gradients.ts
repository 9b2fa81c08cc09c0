import * as tf from '@tensorflow/tfjs-core';

/** A loss and its gradient with respect to each variable, in the variables' order. */
export interface ParameterGradients {
  readonly loss: tf.Scalar;
  readonly gradients: readonly tf.Tensor[];
}

/** The value of a scalar loss and its gradients with respect to `variables`, all of which it must depend on. */
export function parameterGradients(loss: () => tf.Scalar, variables: readonly tf.Variable[]): ParameterGradients {
  const { value, grads } = tf.variableGrads(loss, [...variables]);
  return { loss: value, gradients: variables.map(({ name }) => grads[name] as tf.Tensor) };
}
