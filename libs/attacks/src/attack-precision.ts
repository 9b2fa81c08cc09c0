import type { Classifier } from '@percept/models';
import { type Precision, precisions } from '@percept/tensor';
import { InvalidAttackError, type Violation } from './violations.js';

const field = 'options.precision';

/** Violations of the precision that an attack's steps are to use. */
export function validatePrecision(precision: Precision): Violation[] {
  if (precisions.includes(precision)) return [];
  return [{ field, description: `must be one of ${precisions.join(', ')}, got ${precision}` }];
}

/** `model` as the steps of an attack see it. Throws InvalidAttackError where it has no such precision. */
export function modelForSteps(model: Classifier, precision: Precision): Classifier {
  if (precision === 'float32') return model;
  if (model.withPrecision === undefined) throw unavailable(precision);
  return model.withPrecision(precision);
}

/** The error where a model does not let its precision be chosen. */
export function unavailable(precision: Precision): InvalidAttackError {
  return new InvalidAttackError([{ field, description: `the model cannot be computed in ${precision}` }]);
}
