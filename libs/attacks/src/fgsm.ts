import type { Classifier } from '@percept/models';
import type { AttackHooks } from './attack-hooks.js';
import type { AttackResult } from './attack-result.js';
import type { Goal } from './goal.js';
import { pgd } from './pgd.js';
import type { PgdOptions } from './pgd-options.js';

/** FGSM's settings: those of PGD that mean something for a single step. */
export type FgsmOptions = Pick<
  PgdOptions,
  | 'norm'
  | 'epsilon'
  | 'loss'
  | 'projection'
  | 'stepRule'
  | 'seed'
  | 'box'
  | 'successMargin'
  | 'checkAt8Bits'
  | 'precision'
  | 'batchSize'
> & {
  /** Begin uniformly in the ball (Wong et al., 2020) instead of at the image. */
  readonly randomStart: boolean;
  /** Step length as a fraction of epsilon: 1 for FGSM, 1.25 with a random start. */
  readonly relativeStep: number;
};

/** PGD's options for one FGSM step of `options`: always one step, always its result, successful or not. */
export function fgsmAsPgd(options: Partial<FgsmOptions>): Partial<PgdOptions> {
  const { randomStart = false, relativeStep = randomStart ? 1.25 : 1, ...shared } = options;
  return {
    ...shared,
    step: { kind: 'relative', size: relativeStep },
    steps: 1,
    restarts: 1,
    start: randomStart ? 'uniform' : 'origin',
    stop: 'all-steps',
    keep: 'last',
  };
}

/** The fast gradient method for every norm: x + epsilon * steepest(gradient), clamped to ball and box (Appendix E). Inputs, result and errors as `pgd`'s. */
export async function fgsm(
  model: Classifier,
  images: Float32Array,
  goal: Goal,
  sampleIds: Int32Array,
  options: Partial<FgsmOptions> = {},
  hooks: AttackHooks = {},
): Promise<AttackResult> {
  return await pgd(model, images, goal, sampleIds, fgsmAsPgd(options), hooks);
}
