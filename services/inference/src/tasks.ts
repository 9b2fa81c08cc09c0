import { type TaskContext, type Transferring, transferring } from '@percept/compute';
import { ModelCache, type ModelWeights } from '@percept/models';
import * as tf from '@tensorflow/tfjs-core';

const models = new ModelCache(4);

/** Images of one forward pass; fixed, so that memory stays bounded. */
const imagesPerPass = 128;

/** A prediction as plain data, as it travels to a compute worker. */
export interface PredictTask {
  readonly model: ModelWeights;
  /** Flattened NHWC images in [0, 1]. */
  readonly images: Float32Array;
  readonly count: number;
}

/** Logits [count, classes] of the images, in inference mode. Errors: WeightsMismatchError, cancellation. */
export async function predict(
  { model: weights, images, count }: PredictTask,
  context: TaskContext,
): Promise<Transferring<Float32Array>> {
  const model = models.get(weights);
  const size = images.length / count;
  const logits = new Float32Array(count * model.classes);
  for (let first = 0; first < count; first += imagesPerPass) {
    context.throwIfCancelled();
    const passed = Math.min(imagesPerPass, count - first);
    const batch = tf.tensor4d(images.subarray(first * size, (first + passed) * size), [passed, ...model.inputShape]);
    const answer = model.logits(batch);
    try {
      logits.set(await answer.data<'float32'>(), first * model.classes);
    } finally {
      tf.dispose([batch, answer]);
    }
  }
  return transferring(logits, [logits]);
}
