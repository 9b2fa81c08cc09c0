import type * as tf from '@tensorflow/tfjs-core';
import type { ParameterValues, RecipeParameter } from './parameter-schema.js';
import type { TrainingStep } from './training-step.js';

export const presetNames = ['paper', 'as-published', 'quickstart', 'cifar10-lite'] as const;

export type PresetName = (typeof presetNames)[number];

/** A named set of settings. */
export interface Preset {
  readonly description: string;
  readonly parameters: ParameterValues;
  readonly epochs: number;
  readonly batchSize: number;
}

/** A way to train a classifier. */
export interface Recipe {
  readonly name: string;
  readonly description: string;
  /** Equation or section of the paper. */
  readonly reference: string;
  readonly needsTeacher: boolean;
  readonly parameters: readonly RecipeParameter[];
  readonly presets: Readonly<Record<PresetName, Preset>>;
  /** What is computed before the parameters' gradient is taken, such as the inner attack's images; disposed after the step. */
  prepare?(step: TrainingStep): Promise<tf.Tensor4D>;
  /** The scalar to minimise; must run exactly one forward pass that moves the running statistics. */
  objective(step: TrainingStep, prepared: tf.Tensor4D | undefined): tf.Scalar;
}
