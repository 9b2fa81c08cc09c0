import { type AskedGoal, type Goal, goalClasses, kindOf } from './goal.js';
import { type PgdOptions, validatePgdOptions } from './pgd-options.js';
import type { Violation } from './violations.js';

/** The images an attack is given and what it is to do with them, before they are believed. */
export interface ImageInputs {
  /** Height, width, channels of the model's input. */
  readonly inputShape: readonly [number, number, number];
  readonly classes: number;
  /** n x height x width x channels values in [0, 1]. */
  readonly images: Float32Array;
  readonly goal: AskedGoal;
  /** One non-negative identity per image, the key of its random numbers. */
  readonly sampleIds: Int32Array;
}

/** Everything a call of PGD is given, before it is believed. */
export interface AttackInputs extends ImageInputs {
  readonly options: PgdOptions;
}

/** Values of all snapshots of one attack together: 256 MiB. */
const mostSnapshotValues = 2 ** 26;

/** Every violation of an attack's inputs and options at once, each named by field path; empty when the attack may run. */
export function validateAttack(inputs: AttackInputs): Violation[] {
  const { classes, goal, options, inputShape, sampleIds } = inputs;
  const violations = [...validatePgdOptions(options, kindOf(goal), classes), ...validateInputs(inputs)];
  const snapshots = options.snapshotsEvery === undefined ? 0 : Math.floor(options.steps / options.snapshotsEvery);
  if (snapshots * inputs.images.length > mostSnapshotValues) {
    violations.push({
      field: 'options.snapshotsEvery',
      description: `asks for ${snapshots} snapshots of ${inputs.images.length} values, which may have ${mostSnapshotValues} in all`,
    });
  }
  if (options.startImages === undefined) return violations;
  const wanted = sampleIds.length * inputShape[0] * inputShape[1] * inputShape[2];
  if (options.startImages.length !== wanted) {
    violations.push({
      field: 'options.startImages',
      description: `wrong shape: [${sampleIds.length}, ${inputShape.join(', ')}] needs ${wanted} values, got ${options.startImages.length}`,
    });
  }
  if (options.startImages.some((value) => !Number.isFinite(value))) {
    violations.push({ field: 'options.startImages', description: 'every value must be finite' });
  }
  return violations;
}

/** Every violation of the images, the goal and the identities, each named by field path. */
export function validateInputs({ inputShape, classes, images, goal, sampleIds }: ImageInputs): Violation[] {
  const violations: Violation[] = [];
  const length = inputShape[0] * inputShape[1] * inputShape[2];
  const count = sampleIds.length;
  const shape = `[${count}, ${inputShape.join(', ')}]`;
  if (images.length !== count * length) {
    violations.push({
      field: 'images',
      description: `wrong shape: ${count} images of ${shape} need ${count * length} values, got ${images.length}`,
    });
  }
  violations.push(...outsideUnitInterval('images', images));
  if (classes < 2) violations.push({ field: 'model', description: `needs at least 2 classes, has ${classes}` });
  if (goal.kind !== 'leave-predictions') violations.push(...unsoundClasses(goal, count, classes));
  for (let i = 0; i < count; i++) {
    if ((sampleIds[i] as number) < 0) {
      violations.push({ field: `sampleIds[${i}]`, description: `must not be negative, got ${sampleIds[i]}` });
    }
  }
  return violations;
}

function unsoundClasses(goal: Goal, count: number, classes: number): Violation[] {
  const violations: Violation[] = [];
  const field = goal.kind === 'untargeted' ? 'labels' : 'targets';
  const wanted = goalClasses(goal);
  if (wanted.length !== count) {
    violations.push({ field, description: `needs one class per image (${count}), got ${wanted.length}` });
  }
  for (const [i, value] of wanted.entries()) {
    if (value < 0 || value >= classes) {
      violations.push({
        field: `${field}[${i}]`,
        description: `no class ${value}: the model has classes 0 to ${classes - 1}`,
      });
    }
  }
  return violations;
}

/** One violation if any value lies outside [0, 1] or is not a number, naming how many and the first. */
function outsideUnitInterval(field: string, values: Float32Array): Violation[] {
  let count = 0;
  let first = -1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value >= 0 && value <= 1) continue;
    if (first < 0) first = i;
    count++;
  }
  if (count === 0) return [];
  const where = `the first is ${values[first]} at value ${first}`;
  return [{ field, description: `pixels must lie in [0, 1]: ${count} values do not, ${where}` }];
}
