import { type ReportSpec, rpcError } from '@percept/contracts';
import type { JudgeRecord } from '@percept/figures';
import type { FetchedModel } from '@percept/gateways';
import type { TargetedPictures } from '@percept/measures';
import { askedOptions, modelWeightsOf } from '@percept/messages';
import { type EvaluationDependencies, fetchModel, type TestedSamples } from './measured-models.js';
import type { MeasuredRecognizability, RecognizabilityTask } from './tasks.js';

/** Fetches the judges of a report: those asked for, or every model of the report itself. */
export async function fetchJudges(
  spec: ReportSpec,
  models: readonly FetchedModel[],
  tested: TestedSamples,
  dependencies: EvaluationDependencies,
  signal: AbortSignal,
): Promise<readonly FetchedModel[]> {
  if ((spec.recognizabilitySamples ?? 0) === 0) return [];
  if (spec.judges.length === 0) return models;
  return await Promise.all(spec.judges.map((judge) => fetchModel(judge, tested, dependencies, signal)));
}

/** What a report says of its judges. */
export function judgeRecord({ model }: FetchedModel): JudgeRecord {
  const { name, digest, training, spec } = model;
  return {
    name,
    digest,
    recipe: training?.recipe ?? '',
    seed: training?.seed ?? 0,
    width: spec?.width ?? 0,
    blocks: spec?.blocks ?? [],
  };
}

/**
 * Has one model's targeted perturbations judged, by all judges but itself.
 *
 * @throws PerceptRpcError INVALID_ARGUMENT where the model is its only judge.
 */
export async function measureRecognizability(
  spec: ReportSpec,
  fetched: FetchedModel,
  judges: readonly FetchedModel[],
  { samples }: TestedSamples,
  strip: TargetedPictures | undefined,
  { pool }: EvaluationDependencies,
  hooks: { readonly signal: AbortSignal; onFraction(fraction: number): void },
): Promise<MeasuredRecognizability> {
  const independent = judges.filter(({ model }) => model.digest !== fetched.model.digest);
  if (independent.length === 0)
    throw rpcError('INVALID_ARGUMENT', `judges: ${fetched.model.name} cannot be the only judge of itself`);
  const asked = spec.recognizabilityAttack && askedOptions(spec.recognizabilityAttack, true);
  const attack = asked?.kind === 'options' ? asked.options : {};
  const task: RecognizabilityTask = {
    model: modelWeightsOf(fetched.model, fetched.weights),
    judges: independent.map(({ model, weights }) => ({ name: model.name, weights: modelWeightsOf(model, weights) })),
    samples,
    ...(strip === undefined ? {} : { strip }),
    pictures: spec.recognizabilitySamples ?? 0,
    norm: attack.norm ?? Number.POSITIVE_INFINITY,
    step: attack.step?.kind === 'absolute' ? attack.step.size : 2 / 255,
    steps: attack.steps ?? 100,
    resamples: spec.bootstrapSamples ?? 1_000,
    seed: spec.seed,
  };
  return await pool.run<MeasuredRecognizability>('judgeRecognizability', task, {
    signal: hooks.signal,
    priority: 'job',
    onProgress: (event) => {
      const { done, total } = event as { done: number; total: number };
      hooks.onFraction(done / total);
    },
  });
}
