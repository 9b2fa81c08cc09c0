import { setImmediate as breathe } from 'node:timers/promises';
import { type TaskContext, type Transferring, transferring } from '@percept/compute';
import { AugmentationLaw, DataType } from '@percept/contracts';
import { DatasetGateway } from '@percept/gateways';
import { PreActResNet } from '@percept/models';
import { findRecipe, type TrainedStep, Trainer, type TrainingConfig } from '@percept/recipes';
import { readSafetensors } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import { canonicalWeights } from './canonical-weights.js';
import { EpochBatches } from './epoch-batches.js';
import type { TrainingMeasurements, TrainingOutcome, TrainingTask, TrainingTaskEvent } from './training-task.js';

const metricsMs = 1_000;
const testBatch = 250;

/** Trains one model in a compute worker, from the beginning or from a checkpoint. Errors: DivergedError, PerceptRpcError, cancellation. */
export async function train(task: TrainingTask, context: TaskContext): Promise<Transferring<TrainingOutcome>> {
  const recipe = findRecipe(task.recipe);
  if (recipe === undefined) throw new RangeError(`unknown recipe ${task.recipe}`);
  const datasets = new DatasetGateway(task.dataset.address, task.dataset.security);
  const batches = new EpochBatches(datasets, {
    dataset: task.dataset.name,
    samples: task.trainSamples,
    batchSize: task.batchSize,
    seed: task.seed,
    signal: context.signal,
  });
  const teacher =
    task.teacher && PreActResNet.fromTensors(task.teacher.spec, readSafetensors(task.teacher.safetensors).tensors);
  const config: TrainingConfig = {
    recipe,
    parameters: task.parameters,
    spec: task.spec,
    epochs: task.epochs,
    seed: task.seed,
    precision: task.precision,
    batches,
    ...(teacher ? { teacher } : {}),
  };
  const trainer = task.checkpoint ? Trainer.resume(config, task.checkpoint.trainer) : Trainer.begin(config);
  try {
    const run = new TrainingRun(task, trainer, datasets, context);
    const { epochs, metrics } = await run.finish();
    const { bytes, parameterCount } = canonicalWeights(task.spec, trainer.model.toTensors());
    return transferring({ safetensors: bytes, parameterCount, epochs, metrics }, [bytes]);
  } finally {
    trainer.dispose();
    teacher?.dispose();
    await batches.close();
    datasets.close();
  }
}

/** One task's way through its steps: what it measures, reports and keeps. */
class TrainingRun {
  readonly #task: TrainingTask;
  readonly #trainer: Trainer;
  readonly #datasets: DatasetGateway;
  readonly #context: TaskContext;
  #measurements: TrainingMeasurements;
  #checkpointAt = performance.now();
  #metricsAt = performance.now();
  #imagesSinceMetrics = 0;

  constructor(task: TrainingTask, trainer: Trainer, datasets: DatasetGateway, context: TaskContext) {
    this.#task = task;
    this.#trainer = trainer;
    this.#datasets = datasets;
    this.#context = context;
    this.#measurements = task.checkpoint?.measurements ?? { lossSum: 0, lossCount: 0, epochs: 0, metrics: {} };
  }

  async finish(): Promise<TrainingMeasurements> {
    const checkpoint = async (): Promise<void> => {
      this.#context.throwIfCancelled();
      // Computing never yields by itself; batches and cancellations arrive here.
      await breathe();
    };
    for await (const step of this.#trainer.run(checkpoint)) await this.#after(step);
    return this.#measurements;
  }

  async #after(step: TrainedStep): Promise<void> {
    const { lossSum, lossCount } = this.#measurements;
    this.#measurements = { ...this.#measurements, lossSum: lossSum + step.loss, lossCount: lossCount + 1 };
    this.#imagesSinceMetrics += this.#imagesOf(step);
    const { epoch, epochs, totalSteps, loss } = step;
    this.#send({ kind: 'step', step: step.step, totalSteps, epoch, epochs, loss });
    const now = performance.now();
    const isDue = step.endsEpoch || now - this.#metricsAt >= metricsMs;
    // Before the epoch is measured: the rate is that of training alone.
    const rate = (1_000 * this.#imagesSinceMetrics) / Math.max(1, now - this.#metricsAt);
    if (step.endsEpoch) await this.#afterEpoch(step);
    if (isDue) this.#sendMetrics(step, rate);
    if (step.endsEpoch || now - this.#checkpointAt >= this.#task.checkpointMs) this.#sendCheckpoint();
  }

  async #afterEpoch(step: TrainedStep): Promise<void> {
    const { lossSum, lossCount } = this.#measurements;
    const metrics: Record<string, number> = { train_loss: lossSum / lossCount };
    if (this.#task.testSamples > 0) metrics['test_accuracy'] = await this.#testAccuracy();
    if (step.robustAccuracy !== undefined) metrics['train_robust_accuracy'] = step.robustAccuracy;
    this.#measurements = { lossSum: 0, lossCount: 0, epochs: step.epoch + 1, metrics };
    const accuracy = metrics['test_accuracy'];
    this.#log(
      `epoch ${step.epoch + 1} of ${step.epochs}: loss ${format(metrics['train_loss'] as number)}` +
        (accuracy === undefined ? '' : `, test accuracy ${(100 * accuracy).toFixed(1)} %`),
    );
    if (step.stoppedEarly)
      this.#log('stopped early: robust accuracy collapsed, the weights of the epoch before are kept');
  }

  /** The share of test samples that the model, in inference mode, classifies correctly. */
  async #testAccuracy(): Promise<number> {
    const { height, widthPixels, channels } = this.#task.spec;
    const request = {
      name: this.#task.dataset.name,
      split: 'test',
      batchSize: testBatch,
      seed: 0,
      epoch: 0,
      shuffle: false,
      augmentationLaw: AugmentationLaw.NONE,
      augmentation: undefined,
      startBatch: 0,
      limit: this.#task.testSamples,
      imagesDtype: DataType.UINT8,
    };
    let right = 0;
    let count = 0;
    for await (const { images, labels } of this.#datasets.read(request, { signal: this.#context.signal })) {
      this.#context.throwIfCancelled();
      const predictions = tf.tidy(() =>
        tf
          .argMax(this.#trainer.model.logits(tf.tensor4d(images, [labels.length, height, widthPixels, channels])), 1)
          .dataSync(),
      );
      right += labels.filter((label, index) => predictions[index] === label).length;
      count += labels.length;
    }
    return right / count;
  }

  #sendMetrics(step: TrainedStep, rate: number): void {
    const metrics = {
      loss: step.loss,
      learning_rate: step.learningRate,
      images_per_second: rate,
      ...(step.endsEpoch ? this.#measurements.metrics : {}),
    };
    this.#send({ kind: 'metrics', step: step.step, epoch: (step.step * step.epochs) / step.totalSteps, metrics });
    this.#metricsAt = performance.now();
    this.#imagesSinceMetrics = 0;
  }

  #sendCheckpoint(): void {
    this.#checkpointAt = performance.now();
    const trainer = this.#trainer.checkpoint();
    this.#context.progress(
      {
        kind: 'checkpoint',
        checkpoint: { trainer, measurements: this.#measurements },
      } satisfies TrainingTaskEvent,
      [trainer.buffer as ArrayBuffer],
    );
  }

  #imagesOf(step: TrainedStep): number {
    const { batchSize, trainSamples } = this.#task;
    return step.endsEpoch ? trainSamples - (Math.ceil(trainSamples / batchSize) - 1) * batchSize : batchSize;
  }

  #log(message: string): void {
    this.#send({ kind: 'log', message });
  }

  #send(event: TrainingTaskEvent): void {
    this.#context.progress(event);
  }
}

function format(loss: number): string {
  return loss.toPrecision(3);
}
