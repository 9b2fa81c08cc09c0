import { apgd, sparseApgd } from './apgd.js';
import type { AttackHooks } from './attack-hooks.js';
import type { AttackResult } from './attack-result.js';
import { fab } from './fab.js';
import type { Goal } from './goal.js';
import type { Aim, LossName } from './losses.js';
import type { Search, SearchProblem } from './search.js';
import {
  resolveSearchOptions,
  type SearchMethod,
  type SearchOptions,
  validateSearchOptions,
} from './search-options.js';
import { type AttackedModel, runSearches } from './search-run.js';
import { square } from './square.js';
import { validateHooks } from './standings.js';
import { validateInputs } from './validate-attack.js';
import { InvalidAttackError } from './violations.js';

/**
 * Attacks images by APGD, FAB, Square or AutoAttack's ensemble of them.
 *
 * `images` holds n flattened NHWC images in [0, 1]; `goal` one class and `sampleIds` one identity per image, the key of its random numbers. Under `first-success` an image leaves at its
 * first success, so that later members of an ensemble see only what still stands; `keptAttack` names the member that broke it. The result of an image does not
 * depend on its batch mates. A model that only scores serves `square`. Throws InvalidAttackError with every violation, NoGradientsError,
 * NonFiniteLogitsError, or the abort signal's reason.
 */
export async function searchAttack(
  attacked: AttackedModel,
  method: SearchMethod,
  images: Float32Array,
  goal: Goal,
  sampleIds: Int32Array,
  options: Partial<SearchOptions> = {},
  hooks: AttackHooks = {},
): Promise<AttackResult> {
  const resolved = resolveSearchOptions(options);
  const { inputShape, classes } = attacked.kind === 'gradients' ? attacked.model : attacked.scorer;
  const violations = [
    ...validateSearchOptions(method, resolved, goal.kind, classes),
    ...validateInputs({ inputShape, classes, images, goal, sampleIds }),
    ...validateHooks(hooks, sampleIds.length, classes),
  ];
  if (violations.length > 0) throw new InvalidAttackError(violations);
  const run = {
    ...resolved,
    loss: judgedLoss(method),
    prefer: method === 'fab' ? ('nearest' as const) : ('loss' as const),
    gradientStepsAtMost: gradientStepsAtMost(method, resolved, classes),
  };
  const begin = (problem: SearchProblem): Search => searches[method](problem, resolved);
  return await runSearches(attacked, images, goal, sampleIds, run, begin, hooks);
}

/** The loss by which a method's results are reported and ranked. */
export function judgedLoss(method: SearchMethod): LossName {
  return method === 'apgd-ce' ? 'cross-entropy' : method === 'apgd-dlr' ? 'dlr' : 'margin';
}

const searches: Record<SearchMethod, (problem: SearchProblem, options: SearchOptions) => Search> = {
  'apgd-ce': (problem, options) => apgdRuns(problem, options, 'apgd-ce', 'cross-entropy', options.restarts),
  'apgd-dlr': (problem, options) => apgdRuns(problem, options, 'apgd-dlr', 'dlr', options.restarts),
  'apgd-t': (problem, options) => apgdTargets(problem, options, options.targetClasses),
  fab: fabTargets,
  square: squareRuns,
  autoattack,
};

/**
 * AutoAttack's standard version (Croce and Hein, 2020): APGD on the cross-entropy, APGD-T on 9 targets, FAB-T on 9 targets, Square with 5,000 queries.
 * For p = 1 (Croce and Hein, 2021) APGD has at least five starts and APGD-T five targets.
 */
function* autoattack(problem: SearchProblem, options: SearchOptions): Search {
  const sparse = problem.norm === 1;
  const starts = sparse ? Math.max(options.restarts, 5) : options.restarts;
  if (yield* apgdRuns(problem, options, 'apgd-ce', 'cross-entropy', starts)) return true;
  const targets = sparse ? Math.min(options.targetClasses, 5) : options.targetClasses;
  if (yield* apgdTargets(problem, options, targets)) return true;
  if (yield* fabTargets(problem, options)) return true;
  return yield* squareRuns(problem, options);
}

function* apgdRuns(
  problem: SearchProblem,
  options: SearchOptions,
  attack: string,
  loss: LossName,
  restarts: number,
): Search {
  for (let restart = 0; restart < restarts; restart++) {
    if (yield* apgdRun(problem, options, attack, problem.aim, loss, restart)) return true;
  }
  return false;
}

/** Targets in the order of their clean logits; a start of its own for each, `restart` counting on. */
function* apgdTargets(problem: SearchProblem, options: SearchOptions, count: number): Search {
  const loss = problem.classes >= 4 ? 'dlr' : 'margin';
  for (const [rank, target] of likeliestTargets(problem, count).entries()) {
    const aim: Aim = { kind: 'targeted', goalClass: target, cleanClass: problem.aim.goalClass };
    for (let restart = 0; restart < options.restarts; restart++) {
      const run = rank * options.restarts + restart;
      if (yield* apgdRun(problem, options, 'apgd-t', aim, loss, run)) return true;
    }
  }
  return false;
}

function apgdRun(
  problem: SearchProblem,
  options: SearchOptions,
  attack: string,
  aim: Aim,
  loss: LossName,
  restart: number,
): Search {
  const { steps, momentum, rho, projection } = options;
  const run = { attack, aim, loss, steps, restart, momentum, rho, projection };
  return problem.norm === 1 ? sparseApgd(problem, run) : apgd(problem, run);
}

/** Towards each of the likeliest classes, or the target alone; restarts after the first begin at random. */
function* fabTargets(problem: SearchProblem, options: SearchOptions): Search {
  const { aim } = problem;
  const targets = aim.kind === 'targeted' ? [aim.goalClass] : likeliestTargets(problem, options.targetClasses);
  let success = false;
  for (const [rank, target] of targets.entries()) {
    for (let repeat = 0; repeat < options.restarts; repeat++) {
      const restart = rank * options.restarts + repeat;
      const run = { attack: 'fab-t', target, steps: options.steps, restart, randomStart: repeat > 0 };
      if (yield* fab(problem, run)) success = true;
    }
  }
  return success;
}

function* squareRuns(problem: SearchProblem, options: SearchOptions): Search {
  for (let restart = 0; restart < options.restarts; restart++) {
    if (yield* square(problem, { attack: 'square', queries: options.queries, restart })) return true;
  }
  return false;
}

/** The classes other than the label, by falling clean logit, ties to the lowest. */
function likeliestTargets({ cleanLogits, aim, classes }: SearchProblem, count: number): number[] {
  return Array.from({ length: classes }, (_, k) => k)
    .filter((k) => k !== aim.goalClass)
    .sort((a, b) => (cleanLogits[b] as number) - (cleanLogits[a] as number) || a - b)
    .slice(0, count);
}

function gradientStepsAtMost(method: SearchMethod, options: SearchOptions, classes: number): number {
  const { steps, restarts, targetClasses } = options;
  const targets = Math.min(targetClasses, classes - 1);
  const runs = { 'apgd-ce': 1, 'apgd-dlr': 1, 'apgd-t': targets, fab: targets, square: 0, autoattack: 1 + 2 * targets };
  return runs[method] * (steps + 1) * restarts;
}
