import type { DatasetDescription, Model } from '@percept/contracts';
import type { ModelSpec } from '@percept/models';
import { findRecipe, type ParameterValues, type Preset, type PresetName, type Recipe } from '@percept/recipes';
import type { Precision } from '@percept/tensor';

/** Everything that decides one training, checked and with defaults filled in. */
export interface TrainingPlan {
  readonly recipe: Recipe;
  readonly preset: PresetName;
  /** Every parameter of the recipe. */
  readonly parameters: ParameterValues;
  readonly dataset: DatasetDescription;
  readonly spec: ModelSpec;
  readonly epochs: number;
  readonly batchSize: number;
  readonly seed: number;
  /** Of the passes that train. */
  readonly precision: Precision;
  /** Samples of the `train` split that are used, the first ones. */
  readonly trainSamples: number;
  /** Samples of the `test` split that accuracy is measured on, the first ones; 0 for none. */
  readonly testSamples: number;
  /** Name to register under. */
  readonly name: string;
  /** The teacher where one was named. */
  readonly teacher: Model | undefined;
}

/** Optimiser steps of a plan. */
export function stepsOf({ epochs, trainSamples, batchSize }: TrainingPlan): number {
  return epochs * Math.ceil(trainSamples / batchSize);
}

/** The name that a plan's own teacher is registered under. */
export function teacherName(name: string): string {
  return `${name}-teacher`;
}

/**
 * The training of the teacher that a distillation without one begins with: the recipe `teacher` by the same preset and with the same changes
 * to it, its temperature that of the student's targets.
 */
export function teacherPlan(student: TrainingPlan): TrainingPlan {
  const recipe = findRecipe('teacher') as Recipe;
  const [ours, theirs] = [recipe.presets[student.preset], student.recipe.presets[student.preset]];
  return {
    ...student,
    recipe,
    parameters: teacherParameters(student.parameters, ours, theirs),
    epochs: student.epochs === theirs.epochs ? ours.epochs : student.epochs,
    name: teacherName(student.name),
    teacher: undefined,
  };
}

function teacherParameters(student: ParameterValues, ours: Preset, theirs: Preset): ParameterValues {
  const changed = Object.entries(student).filter(
    ([name, value]) => name !== 'temperature' && name in ours.parameters && theirs.parameters[name] !== value,
  );
  const temperature = student['teacher_temperature'];
  return {
    ...ours.parameters,
    ...Object.fromEntries(changed),
    ...(temperature === undefined ? {} : { temperature }),
  };
}
