import { type AskedGoal, type AttackPlan, resolveAttackPlan, validatePlan } from '@percept/attacks';
import {
  type AttackOptions,
  type CallOptions,
  type ImageSource,
  LabelSource,
  type ModelReference,
} from '@percept/contracts';
import { askedAttack, contractField } from '@percept/messages';
import { Violations } from '@percept/platform';
import { type AttackedModel, blackBoxMethods, fetchAttackedModel, type ModelSources } from './attacked-model.js';
import { type ImageSources, imagesPerCall, type ResolvedImages, resolveImages } from './resolve-images.js';

/** What targeted and untargeted calls have in common. */
export interface AttackAsked {
  readonly model: ModelReference | undefined;
  readonly images: ImageSource | undefined;
  readonly goal:
    | { readonly kind: 'targeted'; readonly targets: readonly number[] }
    | { readonly kind: 'untargeted'; readonly labelsFrom: LabelSource };
  readonly options: AttackOptions | undefined;
  readonly omitImages: boolean;
  readonly includeOriginals: boolean;
  /** Number of the first noise image. Default 0. */
  readonly firstOfNoise?: number;
}

/** Where an attack's inputs come from. */
export interface AttackSources extends ModelSources, ImageSources {}

/** A validated attack, ready to be computed. */
export interface PreparedAttack {
  readonly attacked: AttackedModel;
  readonly resolved: ResolvedImages;
  readonly goal: AskedGoal;
  readonly plan: AttackPlan;
  readonly asked: AttackAsked;
}

/**
 * Validates an attack call and fetches what it needs.
 *
 * @throws PerceptRpcError INVALID_ARGUMENT with every violation at once; NOT_FOUND for an unknown model or data set; PERMISSION_DENIED for an
 * endpoint that is not on the allow-list; the errors of `fetchRemoteModel`.
 */
export async function prepareAttack(
  asked: AttackAsked,
  sources: AttackSources,
  call: CallOptions,
  imageLimit: number = imagesPerCall,
): Promise<PreparedAttack> {
  const violations = new Violations();
  const described = askedAttack(asked.options, asked.images?.source?.$case === 'noise');
  if (described.kind === 'violations')
    for (const { field, description } of described.violations) violations.add(field, description);
  if (asked.model?.reference === undefined) violations.add('model', 'must be given');
  if (asked.model?.reference?.$case === 'remote') {
    const method =
      described.kind === 'plan' && described.plan.kind === 'search'
        ? described.plan.method
        : asked.options?.method || 'pgd';
    if (described.kind === 'plan' && !blackBoxMethods.includes(method))
      violations.add(
        'options.method',
        `${method} needs gradients, which a model behind an endpoint does not give: ${blackBoxMethods.join(', ')} needs none`,
      );
    if (described.kind === 'plan' && (described.plan.options.precision ?? 'float32') !== 'float32')
      violations.add('options.precision', 'an endpoint computes in a precision of its own');
    if (asked.images?.source?.$case === 'noise')
      violations.add('images.noise', "needs a registered model's normalisation, which an endpoint does not tell");
  }
  if (asked.images?.source === undefined) violations.add('images', 'must be given: inline, samples or noise');
  violations.throwIfAny();
  const attacked = await fetchAttackedModel(asked.model, sources, call);
  let resolved: ResolvedImages;
  try {
    const range = { limit: imageLimit, firstOfNoise: asked.firstOfNoise ?? 0 };
    resolved = await resolveImages(asked.images, attacked, sources, call, range);
  } catch (error) {
    violations.collect(() => {
      throw error;
    });
    violations.throwIfAny();
    throw error;
  }
  const plan = resolveAttackPlan(described.kind === 'plan' ? described.plan : { kind: 'pgd', options: {} });
  const goal = goalOf(asked, resolved, attacked.classes, violations);
  const inputs = {
    inputShape: attacked.shape,
    classes: attacked.classes,
    images: resolved.images,
    goal,
    sampleIds: resolved.sampleIds,
  };
  for (const { field, description } of validatePlan(plan, inputs)) violations.add(contractField(field), description);
  violations.throwIfAny();
  return { attacked, resolved, goal, plan, asked };
}

function goalOf(
  { goal }: AttackAsked,
  { sampleIds, labels }: ResolvedImages,
  classes: number,
  violations: Violations,
): AskedGoal {
  const count = sampleIds.length;
  if (goal.kind === 'targeted') {
    const { targets } = goal;
    violations.check(
      targets.length === 1 || targets.length === count,
      'targets',
      `needs one class for all images or one per image (${count}), got ${targets.length}`,
    );
    const one = targets[0] ?? 0;
    const perImage = Int32Array.from({ length: count }, (_, i) =>
      targets.length === count ? (targets[i] as number) : one,
    );
    return { kind: 'targeted', targets: targets.length === 0 ? new Int32Array(count) : perImage };
  }
  if (goal.labelsFrom === LabelSource.PREDICTIONS) return { kind: 'leave-predictions' };
  violations.check(
    goal.labelsFrom === LabelSource.UNSPECIFIED || goal.labelsFrom === LabelSource.GIVEN,
    'labels_from',
    `unknown value ${goal.labelsFrom}`,
  );
  if (labels === undefined) {
    violations.add(
      'images.inline.labels',
      `an untargeted attack needs one label per image (${count}), each below ${classes}, or labels_from PREDICTIONS`,
    );
  }
  return { kind: 'untargeted', labels: labels ?? new Int32Array(count) };
}
