import { type Classifier, type ModelSpec, PreActResNet } from '@percept/models';
import { type HostTensor, type Precision, sgdMomentumStep, softmaxCrossEntropy } from '@percept/tensor';
import * as tf from '@tensorflow/tfjs-core';
import type { Batch, BatchSource } from './batch-source.js';
import { clippingFactor } from './clip-gradients.js';
import { type CyclicSchedule, scheduledStep } from './cyclic-schedule.js';
import { innerAttack } from './inner-attack.js';
import type { ParameterValues } from './parameter-schema.js';
import type { Recipe } from './recipe.js';
import { decodeTrainerState, encodeTrainerState, type TrainerPosition } from './trainer-state.js';
import { parameter, type TrainingStep } from './training-step.js';

/** Everything that decides a training. */
export interface TrainingConfig {
  readonly recipe: Recipe;
  readonly parameters: ParameterValues;
  readonly spec: ModelSpec;
  readonly epochs: number;
  readonly seed: number;
  /** Of the passes that train, inner attacks included; the weights, their updates and what early stopping measures are float32. */
  readonly precision: Precision;
  readonly batches: BatchSource;
  readonly teacher?: Classifier;
}

/** What happened in one optimiser step. */
export interface TrainedStep {
  readonly step: number;
  readonly totalSteps: number;
  readonly epoch: number;
  readonly epochs: number;
  /** The objective, regularisation included. */
  readonly loss: number;
  readonly learningRate: number;
  readonly endsEpoch: boolean;
  /** The robust accuracy that early stopping saw, at the end of an epoch. */
  readonly robustAccuracy?: number;
  readonly stoppedEarly: boolean;
}

/** The training produced a loss that is not a finite number; it cannot go on. */
export class DivergedError extends Error {
  constructor(step: number, loss: number) {
    super(`the training diverged: the loss is ${loss} at step ${step}; a smaller learning_rate or beta may help`);
    this.name = 'DivergedError';
  }
}

/** How far robust accuracy may fall within an epoch before early stopping (Wong et al., 2020). */
const earlyStoppingFall = 0.2;
const earlyStoppingSteps = 5;
/** The paper's batch: of smaller ones, chance alone moves the accuracy by as much as the rule looks for. */
const earlyStoppingImages = 128;

/**
 * Trains one model by one recipe, step by step. A pure function of its config: equal configs give equal weights on one engine and thread count,
 * whether a training was interrupted and resumed from a checkpoint or not.
 */
export class Trainer {
  readonly model: PreActResNet;
  readonly #config: TrainingConfig;
  readonly #schedule: CyclicSchedule;
  readonly #velocities = new Map<string, tf.Variable>();
  #step = 0;
  #finished = false;
  #stoppedEarly = false;
  #lastRobustAccuracy: number | undefined;
  #previousWeights: Record<string, HostTensor> | undefined;

  private constructor(config: TrainingConfig, model: PreActResNet, velocities: Readonly<Record<string, HostTensor>>) {
    this.#config = config;
    this.model = model;
    this.#schedule = scheduleOf(config);
    for (const [name, variable] of model.parameters) {
      const kept = velocities[name];
      const start = tf.tidy(() =>
        tf.variable(kept ? tf.tensor(kept.data, [...kept.shape]) : tf.zerosLike(variable), false),
      );
      this.#velocities.set(name, start);
    }
  }

  /** A training that begins with initial weights of the config's seed. Errors: InvalidModelSpecError. */
  static begin(config: TrainingConfig): Trainer {
    return new Trainer(config, PreActResNet.initialise(config.spec, config.seed), {});
  }

  /** A training that goes on from a checkpoint of the same config. Errors: SafetensorsError, WeightsMismatchError. */
  static resume(config: TrainingConfig, checkpoint: Uint8Array): Trainer {
    const state = decodeTrainerState(checkpoint);
    const trainer = new Trainer(config, PreActResNet.fromTensors(state.spec, state.weights), state.velocities);
    trainer.#step = state.position.step;
    trainer.#finished = state.position.finished;
    trainer.#stoppedEarly = state.position.stoppedEarly;
    trainer.#lastRobustAccuracy = state.position.lastRobustAccuracy;
    trainer.#previousWeights = state.previousWeights;
    return trainer;
  }

  get finished(): boolean {
    return this.#finished;
  }

  get step(): number {
    return this.#step;
  }

  get totalSteps(): number {
    return this.#schedule.totalSteps;
  }

  /** Trains to the end, one event per step; between steps and inner attack steps it calls `checkpoint`, which throws to stop. */
  async *run(checkpoint: () => void | Promise<void>): AsyncGenerator<TrainedStep, void, void> {
    while (!this.#finished) {
      await checkpoint();
      yield await this.#trainStep(async () => {
        await checkpoint();
      });
    }
  }

  /** Everything that `resume` needs, as bytes. Only between steps. */
  checkpoint(): Uint8Array {
    const position: TrainerPosition = {
      step: this.#step,
      finished: this.#finished,
      stoppedEarly: this.#stoppedEarly,
      ...(this.#lastRobustAccuracy === undefined ? {} : { lastRobustAccuracy: this.#lastRobustAccuracy }),
    };
    const velocities = Object.fromEntries(
      [...this.#velocities].map(([name, velocity]): [string, HostTensor] => [
        name,
        { dtype: 'F32', shape: velocity.shape, data: Float32Array.from(velocity.dataSync()) },
      ]),
    );
    return encodeTrainerState({
      spec: this.#config.spec,
      position,
      weights: this.model.toTensors(),
      velocities,
      ...(this.#previousWeights ? { previousWeights: this.#previousWeights } : {}),
    });
  }

  /** Frees model and velocities. */
  dispose(): void {
    this.model.dispose();
    for (const velocity of this.#velocities.values()) velocity.dispose();
  }

  async #trainStep(checkpoint: () => Promise<void>): Promise<TrainedStep> {
    const { batches, epochs } = this.#config;
    const epoch = Math.floor(this.#step / batches.batchesPerEpoch);
    const index = this.#step % batches.batchesPerEpoch;
    const batch = await batches.batch(epoch, index);
    const { learningRate, momentum } = scheduledStep(this.#schedule, this.#step);
    const loss = await this.#update(batch, { learningRate, momentum }, checkpoint);
    if (!Number.isFinite(loss)) throw new DivergedError(this.#step, loss);
    const endsEpoch = index === batches.batchesPerEpoch - 1;
    const robustAccuracy = endsEpoch && this.#stopsEarly ? await this.#checkForCollapse(epoch, checkpoint) : undefined;
    this.#step++;
    this.#finished = this.#stoppedEarly || this.#step === this.#schedule.totalSteps;
    return {
      step: this.#step,
      totalSteps: this.#schedule.totalSteps,
      epoch,
      epochs,
      loss,
      learningRate,
      endsEpoch,
      stoppedEarly: this.#stoppedEarly,
      ...(robustAccuracy === undefined ? {} : { robustAccuracy }),
    };
  }

  async #update(
    batch: Batch,
    { learningRate, momentum }: { learningRate: number; momentum: number },
    checkpoint: () => Promise<void>,
  ): Promise<number> {
    const step = this.#stepOf(batch, checkpoint);
    const { recipe, parameters } = this.#config;
    let prepared: tf.Tensor4D | undefined;
    try {
      prepared = await recipe.prepare?.(step);
      const { value, grads } = tf.tidy(() =>
        tf.variableGrads(() => recipe.objective(step, prepared), [...this.model.parameters.values()]),
      );
      const loss = value.dataSync()[0] as number;
      value.dispose();
      const settings = { learningRate, momentum, weightDecay: parameter(step, 'weight_decay') };
      const factor = clippingFactor(Object.values(grads), parameters['gradient_clip'] ?? 0);
      for (const [name, variable] of this.model.parameters) {
        const gradient = grads[variable.name] as tf.Tensor;
        const scaled = factor === 1 ? gradient : tf.mul(gradient, factor);
        sgdMomentumStep(variable, this.#velocities.get(name) as tf.Variable, scaled, settings);
        if (scaled !== gradient) scaled.dispose();
        gradient.dispose();
      }
      return loss;
    } finally {
      prepared?.dispose();
      step.images.dispose();
      step.targets.dispose();
    }
  }

  #stepOf(batch: Batch, checkpoint: () => Promise<void>): TrainingStep {
    const { spec, parameters, seed, precision, teacher } = this.#config;
    const count = batch.labels.length;
    return {
      model: this.model.withPrecision(precision),
      images: tf.tensor4d(batch.images, [count, spec.height, spec.widthPixels, spec.channels]),
      targets: tf.tidy(
        () => tf.cast(tf.oneHot(tf.tensor1d(batch.labels, 'int32'), spec.classes), 'float32') as tf.Tensor2D,
      ),
      sampleIds: batch.sampleIds,
      parameters,
      seed,
      step: this.#step,
      checkpoint,
      ...(teacher ? { teacher } : {}),
    };
  }

  get #stopsEarly(): boolean {
    return this.#config.parameters['early_stopping'] === 1;
  }

  /** Wong et al.'s rule: PGD-5 on the epoch's first images; a fall of robust accuracy by more than 0.2 restores the epoch before. */
  async #checkForCollapse(epoch: number, checkpoint: () => Promise<void>): Promise<number> {
    let right = 0;
    let seen = 0;
    for (let index = 0; seen < earlyStoppingImages && index < this.#config.batches.batchesPerEpoch; index++) {
      const batch = await this.#config.batches.batch(epoch, index);
      right += await this.#countRobust(batch, checkpoint);
      seen += batch.labels.length;
    }
    const robustAccuracy = right / seen;
    const last = this.#lastRobustAccuracy;
    if (last !== undefined && this.#previousWeights && robustAccuracy - last < -earlyStoppingFall) {
      this.#restore(this.#previousWeights);
      this.#stoppedEarly = true;
    } else {
      this.#lastRobustAccuracy = robustAccuracy;
      this.#previousWeights = this.model.toTensors();
    }
    return robustAccuracy;
  }

  /** How many images of a batch the model still gets right after the attack of early stopping. */
  async #countRobust(batch: Batch, checkpoint: () => Promise<void>): Promise<number> {
    const whole = this.#stepOf(batch, checkpoint);
    const step = { ...whole, parameters: { ...whole.parameters, attack_step: parameter(whole, 'epsilon') / 4 } };
    try {
      const attacked = await innerAttack(
        step,
        (images) => softmaxCrossEntropy(this.model.logits(images), step.targets),
        earlyStoppingSteps,
      );
      try {
        return tf.tidy(() => {
          const right = tf.equal(tf.argMax(this.model.logits(attacked), 1), tf.argMax(step.targets, 1));
          return tf.sum(tf.cast(right, 'float32')).dataSync()[0] as number;
        });
      } finally {
        attacked.dispose();
      }
    } finally {
      whole.images.dispose();
      whole.targets.dispose();
    }
  }

  #restore(weights: Record<string, HostTensor>): void {
    const earlier = PreActResNet.fromTensors(this.#config.spec, weights);
    for (const [name, variable] of this.model.parameters) variable.assign(earlier.parameters.get(name) as tf.Variable);
    for (const [name, variable] of this.model.statistics) variable.assign(earlier.statistics.get(name) as tf.Variable);
    earlier.dispose();
  }
}

function scheduleOf({ batches, epochs, parameters }: TrainingConfig): CyclicSchedule {
  const totalSteps = epochs * batches.batchesPerEpoch;
  const value = (name: string): number => parameter({ parameters }, name);
  return {
    totalSteps,
    peakStep: Math.round(value('peak_fraction') * totalSteps),
    maxLearningRate: value('learning_rate'),
    momentum: value('momentum'),
    momentumAtPeak: value('momentum_at_peak'),
  };
}
