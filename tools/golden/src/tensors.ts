import { type ParameterEntry, type PreActResNet, parameterLayout, toTorchLayout } from '@percept/models';
import * as tf from '@tensorflow/tfjs-core';
import { type Comparison, relativeToLargest } from './comparison.js';
import type { GoldenVectors } from './golden-vectors.js';

/** The golden images and one-hot labels as tensors; the caller disposes them (or works in a tidy). */
export function goldenBatch(golden: GoldenVectors): { images: tf.Tensor4D; targets: tf.Tensor2D } {
  const { spec, batch } = golden;
  const shape: [number, number, number, number] = [batch, spec.height, spec.widthPixels, spec.channels];
  return {
    images: tf.tensor4d(golden.images('x'), shape),
    targets: oneHot(golden.integers('y'), spec.classes),
  };
}

/** One-hot float rows. */
export function oneHot(labels: Int32Array, classes: number): tf.Tensor2D {
  return tf.cast(tf.oneHot(tf.tensor1d(labels, 'int32'), classes), 'float32') as tf.Tensor2D;
}

/** Values of a tensor, copied. */
export function values(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}

/** What `work` computes; every tensor it makes is disposed. */
export function scoped<Result>(work: () => Result): Result {
  tf.engine().startScope();
  try {
    return work();
  } finally {
    tf.engine().endScope();
  }
}

/** Gradients of `loss` with respect to all parameters, in PyTorch's names and layouts, and the loss. */
export function parameterGradients(
  model: PreActResNet,
  loss: () => tf.Scalar,
): { loss: number; gradients: Map<string, Float32Array> } {
  return scoped(() => {
    const { value, grads } = tf.variableGrads(loss, [...model.parameters.values()]);
    const entries = new Map(parameterLayout(model.spec).map((entry): [string, ParameterEntry] => [entry.name, entry]));
    const gradients = new Map<string, Float32Array>();
    for (const [name, variable] of model.parameters) {
      const gradient = grads[variable.name];
      if (gradient) gradients.set(name, toTorchLayout(entries.get(name) as ParameterEntry, values(gradient)));
    }
    return { loss: values(value)[0] as number, gradients };
  });
}

/** Compares all gradients that the golden vectors hold under `prefix`; the worst of them, relative to its tensor's largest value. */
export function compareGradients(
  golden: GoldenVectors,
  prefix: string,
  gradients: ReadonlyMap<string, Float32Array>,
  tolerance: number,
): Comparison {
  let error = 0;
  for (const name of golden.names) {
    if (!name.startsWith(prefix)) continue;
    const expected = golden.floats(name);
    // A parameter that the objective does not depend on has no gradient, which is zero.
    const actual = gradients.get(name.slice(prefix.length)) ?? new Float32Array(expected.length);
    error = Math.max(error, relativeToLargest(actual, expected));
  }
  return { name: `${prefix}*`, error, tolerance };
}
