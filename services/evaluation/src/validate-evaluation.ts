import { type Goal, resolveAttackPlan, validatePlanOptions } from '@percept/attacks';
import type {
  AttackOptions,
  EvaluationSubmitRequest,
  JobSpec,
  ModelReference,
  ProfileConfirmation,
  ProfileSettings,
  RecognizabilitySpec,
  ReportSpec,
} from '@percept/contracts';
import { rpcError } from '@percept/contracts';
import { budgetPosition } from '@percept/measures';
import { type AskedAttack, type AskedOptions, askedAttack, askedOptions, contractField } from '@percept/messages';
import { Violations } from '@percept/platform';

/** The most models of one report. */
const mostModels = 64;
const mostBudgets = 256;
const mostAttacks = 16;
const mostJudges = 16;
const mostPictures = 10_000;

/** A checked request: the job's kind and spec. */
export interface CheckedEvaluation {
  readonly kind: 'profile' | 'smoothness' | 'recognizability' | 'report';
  readonly spec: JobSpec;
}

/**
 * Checks an evaluation request as far as it can be without asking other services.
 *
 * @throws PerceptRpcError INVALID_ARGUMENT with every violation.
 */
export function validateEvaluation(request: EvaluationSubmitRequest): CheckedEvaluation {
  const violations = new Violations();
  violations.requestId(request.requestId);
  const { evaluation } = request;
  switch (evaluation?.$case) {
    case 'recognizability':
      checkRecognizability(evaluation.value, violations);
      break;
    case 'profile':
      checkModel(evaluation.value.model, 'profile.model', violations);
      violations.check(evaluation.value.samples !== undefined, 'profile.samples', 'must be given');
      checkSettings(evaluation.value.settings, 'profile.settings', violations);
      break;
    case 'smoothness':
      checkModel(evaluation.value.model, 'smoothness.model', violations);
      violations.check(evaluation.value.samples !== undefined, 'smoothness.samples', 'must be given');
      if (evaluation.value.norm !== undefined)
        violations.number(evaluation.value.norm, 'smoothness.norm', 1, Number.POSITIVE_INFINITY);
      checkEstimates(
        { 'smoothness.radius': evaluation.value.radius, 'smoothness.projections': evaluation.value.projections },
        violations,
      );
      break;
    case 'report':
      checkReport(evaluation.value, violations);
      break;
    default:
      violations.add('evaluation', 'must be given: profile, smoothness, recognizability or report');
  }
  violations.throwIfAny();
  if (evaluation?.$case === 'profile')
    return { kind: 'profile', spec: { spec: { $case: 'profile', value: evaluation.value } } };
  if (evaluation?.$case === 'smoothness')
    return { kind: 'smoothness', spec: { spec: { $case: 'smoothness', value: evaluation.value } } };
  if (evaluation?.$case === 'recognizability')
    return { kind: 'recognizability', spec: { spec: { $case: 'recognizability', value: evaluation.value } } };
  if (evaluation?.$case === 'report')
    return { kind: 'report', spec: { spec: { $case: 'report', value: evaluation.value } } };
  throw rpcError('INTERNAL', 'an evaluation passed validation without a kind');
}

function checkReport(spec: ReportSpec, violations: Violations): void {
  violations.check(
    spec.models.length >= 1 && spec.models.length <= mostModels,
    'report.models',
    `needs 1 to ${mostModels} models, got ${spec.models.length}`,
  );
  const names = new Set<string>();
  for (const [i, { model, displayName }] of spec.models.entries()) {
    checkModel(model, `report.models[${i}].model`, violations);
    const name = displayName || (model?.reference?.$case === 'registered' ? model.reference.value : '');
    const field = `report.models[${i}].${displayName ? 'display_name' : 'model'}`;
    violations.check(!names.has(name), field, `"${name}" occurs twice`);
    names.add(name);
  }
  violations.check(spec.samples !== undefined, 'report.samples', 'must be given');
  checkSettings(spec.profile, 'report.profile', violations);
  checkAttack(askedOptions(spec.figures?.inversion, true), 'targeted', 'report.figures.inversion', violations);
  const budgets = spec.figures?.budgets ?? [];
  violations.check(
    budgets.length <= mostBudgets,
    'report.figures.budgets',
    `at most ${mostBudgets}, got ${budgets.length}`,
  );
  for (const [i, budget] of budgets.entries()) {
    violations.check(
      budget >= 0 && budget < Number.POSITIVE_INFINITY,
      `report.figures.budgets[${i}]`,
      `must be finite and at least 0, got ${budget}`,
    );
  }
  checkEstimates(
    { 'report.lipschitz_radius': spec.lipschitzRadius, 'report.smoothness_projections': spec.smoothnessProjections },
    violations,
  );
  if ((spec.recognizabilitySamples ?? 0) > 0) {
    violations.check(
      spec.judges.length > 0 || spec.models.length > 1,
      'report.judges',
      'must be given where there is one model only: no model can judge itself',
    );
  }
  checkJudging(
    spec.judges,
    spec.recognizabilityAttack,
    spec.bootstrapSamples,
    'report',
    'recognizability_',
    violations,
  );
  if (spec.recognizabilitySamples !== undefined)
    violations.integer(spec.recognizabilitySamples, 'report.recognizability_samples', 0, mostPictures);
}

function checkRecognizability(spec: RecognizabilitySpec, violations: Violations): void {
  checkModel(spec.model, 'recognizability.model', violations);
  violations.check(spec.samples !== undefined, 'recognizability.samples', 'must be given');
  violations.check(spec.judges.length > 0, 'recognizability.judges', 'needs at least one independent model');
  if (spec.pictures !== undefined) violations.integer(spec.pictures, 'recognizability.pictures', 1, mostPictures);
  checkJudging(spec.judges, spec.attack, spec.bootstrapSamples, 'recognizability', '', violations);
}

function checkJudging(
  judges: readonly ModelReference[],
  attack: AttackOptions | undefined,
  bootstrapSamples: number | undefined,
  path: string,
  attackPrefix: string,
  violations: Violations,
): void {
  violations.check(judges.length <= mostJudges, `${path}.judges`, `at most ${mostJudges}, got ${judges.length}`);
  for (const [i, judge] of judges.entries()) checkModel(judge, `${path}.judges[${i}]`, violations);
  checkAttack(askedOptions(attack, true), 'targeted', `${path}.${attackPrefix}attack`, violations);
  if (bootstrapSamples !== undefined) violations.integer(bootstrapSamples, `${path}.bootstrap_samples`, 100, 100_000);
}

/** Radii must be positive and finite, numbers of projections 1 .. 1,000; what is absent is sound. */
function checkEstimates(values: Readonly<Record<string, number | undefined>>, violations: Violations): void {
  for (const [field, value] of Object.entries(values)) {
    if (value === undefined) continue;
    if (field.endsWith('projections')) violations.integer(value, field, 1, 1_000);
    else
      violations.check(
        value > 0 && value < Number.POSITIVE_INFINITY,
        field,
        `must be positive and finite, got ${value}`,
      );
  }
}

function checkModel(model: ModelReference | undefined, field: string, violations: Violations): void {
  violations.check(model?.reference !== undefined, field, 'must be given');
  violations.check(
    model?.reference?.$case !== 'remote',
    `${field}.remote`,
    'a measure needs the weights of a registered model',
  );
}

function checkSettings(settings: ProfileSettings | undefined, field: string, violations: Violations): void {
  const grid = settings?.grid ?? [];
  violations.check(grid.length <= mostBudgets, `${field}.grid`, `at most ${mostBudgets} budgets, got ${grid.length}`);
  for (const [i, epsilon] of grid.entries()) {
    const floor = i === 0 ? 0 : (grid[i - 1] as number);
    const ascends = i === 0 ? epsilon === 0 : epsilon > floor;
    violations.check(
      ascends && epsilon < Number.POSITIVE_INFINITY,
      `${field}.grid[${i}]`,
      i === 0
        ? `the first budget must be 0, the clean accuracy, got ${epsilon}`
        : `budgets must be finite and strictly ascending, got ${epsilon}`,
    );
  }
  const { attack: first, furtherAttacks = [], confirmations = [] } = settings ?? {};
  const check = (attack: AttackOptions | undefined, path: string): void =>
    checkAttack(askedAttack(attack, false), 'untargeted', path, violations);
  const underNormOfFirst = (attack: AttackOptions | undefined): AttackOptions | undefined =>
    attack && { ...attack, norm: first?.norm };
  check(first, `${field}.attack`);
  for (const [name, { length }] of Object.entries({ further_attacks: furtherAttacks, confirmations })) {
    violations.check(length <= mostAttacks, `${field}.${name}`, `at most ${mostAttacks} attacks, got ${length}`);
  }
  for (const [i, attack] of furtherAttacks.entries()) check(underNormOfFirst(attack), `${field}.further_attacks[${i}]`);
  for (const [i, { attack, place }] of confirmations.entries()) {
    check(underNormOfFirst(attack), `${field}.confirmations[${i}].attack`);
    checkPlace(place, grid, `${field}.confirmations[${i}]`, violations);
  }
}

/** The settings of an attack at `path`, as far as they do not depend on the model. */
function checkAttack(
  asked: AskedAttack | AskedOptions,
  kind: Goal['kind'],
  path: string,
  violations: Violations,
): void {
  const found =
    asked.kind === 'violations'
      ? asked.violations
      : validatePlanOptions(
          resolveAttackPlan(asked.kind === 'plan' ? asked.plan : { kind: 'pgd', options: asked.options }),
          kind,
          Number.POSITIVE_INFINITY,
        );
  for (const { field, description } of found)
    violations.add(contractField(field).replace(/^options/, path), description);
}

/** A grid that is left to the data set is not known here; the job refuses a budget outside it. */
function checkPlace(
  place: ProfileConfirmation['place'],
  grid: readonly number[],
  field: string,
  violations: Violations,
): void {
  if (place === undefined) return;
  const { $case, value } = place;
  const finite = value < Number.POSITIVE_INFINITY;
  if ($case === 'frontierFrom')
    violations.check(value >= 0 && finite, `${field}.frontier_from`, `must be finite and at least 0, got ${value}`);
  else {
    const inGrid = grid.length === 0 || budgetPosition(grid, value) > 0;
    violations.check(
      value > 0 && finite && inGrid,
      `${field}.budget`,
      `must be a positive budget of the grid, got ${value}`,
    );
  }
}
