import type { ClientSecurity } from '@percept/contracts';
import type { ModelSpec, ModelWeights } from '@percept/models';
import type { ParameterValues } from '@percept/recipes';
import type { Precision } from '@percept/tensor';

/** A training as plain data, as it travels to a compute worker. */
export interface TrainingTask {
  readonly recipe: string;
  readonly parameters: ParameterValues;
  readonly spec: ModelSpec;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  readonly precision: Precision;
  readonly dataset: { readonly address: string; readonly security?: ClientSecurity; readonly name: string };
  /** The first so many samples of `train`. */
  readonly trainSamples: number;
  /** The first so many samples of `test`; 0 for none. */
  readonly testSamples: number;
  /** Send a checkpoint at least this often, besides one after each epoch. */
  readonly checkpointMs: number;
  readonly teacher?: ModelWeights;
  /** Where an earlier task stopped. */
  readonly checkpoint?: TaskCheckpoint;
}

/** Everything a task goes on from. */
export interface TaskCheckpoint {
  /** State of the trainer. */
  readonly trainer: Uint8Array;
  readonly measurements: TrainingMeasurements;
}

/** What was measured so far. */
export interface TrainingMeasurements {
  /** Sum of the losses of the present epoch's steps, and their number. */
  readonly lossSum: number;
  readonly lossCount: number;
  /** Epochs done. */
  readonly epochs: number;
  /** Of the last whole epoch, by name. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** What a running training tells its caller. */
export type TrainingTaskEvent =
  | {
      readonly kind: 'step';
      readonly step: number;
      readonly totalSteps: number;
      readonly epoch: number;
      readonly epochs: number;
      readonly loss: number;
    }
  | {
      readonly kind: 'metrics';
      readonly step: number;
      /** With fraction. */
      readonly epoch: number;
      readonly metrics: Readonly<Record<string, number>>;
    }
  | { readonly kind: 'log'; readonly message: string }
  | { readonly kind: 'checkpoint'; readonly checkpoint: TaskCheckpoint };

/** What a finished training gives. */
export interface TrainingOutcome {
  /** The canonical weights. */
  readonly safetensors: Uint8Array;
  readonly parameterCount: number;
  readonly epochs: number;
  readonly metrics: Readonly<Record<string, number>>;
}
