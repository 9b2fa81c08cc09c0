import { hostname } from 'node:os';
import {
  type DatasetSelection,
  encodeTensor,
  type GallerySnapshot,
  type JobResult,
  type ProfileSpec,
  type RecognizabilitySpec,
  ReportSpec,
  rpcError,
  type SmoothnessSpec,
} from '@percept/contracts';
import { type ReportData, type ReportModel, smoothnessTable } from '@percept/figures';
import type { FetchedModel } from '@percept/gateways';
import type { JobContext, JobHandler } from '@percept/jobs';
import {
  budgetPosition,
  type CurvePoint,
  classCollapse,
  comparePaired,
  type HonestyIndicator,
  type ProfileSettings,
  robustAccuracyCurve,
  robustPerClass,
  type Samples,
  selectSamples,
  type TargetedPictures,
  type WitnessLedger,
} from '@percept/measures';
import { askedOptions, modelWeightsOf } from '@percept/messages';
import { figurePair } from './figure-pair.js';
import { createLimiter } from './limiter.js';
import {
  type EvaluationDependencies,
  encodeLedger,
  fetchModel,
  fetchSamples,
  ledgerDigest,
  profileModel,
  type TestedSamples,
} from './measured-models.js';
import { profileSettingsOf } from './profile-settings.js';
import { fetchJudges, judgeRecord, measureRecognizability } from './recognizability-measure.js';
import { type ReportFile, type Reports, witnessFile } from './reports.js';
import type {
  BudgetSweep,
  BudgetSweepTask,
  DrawingTask,
  EightBitTask,
  HonestyTask,
  InversionTask,
  MeasuredRecognizability,
  MeasuredSmoothness,
  SmoothnessTask,
} from './tasks.js';

/** The kinds of evaluation jobs. */
export const evaluationJobKinds = ['profile', 'smoothness', 'recognizability', 'report'] as const;

/** Recipes that figure 1.1 may show as its robust model, best first. */
const robustRecipes = ['pgd', 'trades', 'fgsm'];
const version = '0.1.0';

/** One model with what was measured of it. */
interface Measured {
  readonly name: string;
  readonly recipe: string;
  readonly fetched: FetchedModel;
  readonly ledger: WitnessLedger;
  honesty: readonly HonestyIndicator[];
  readonly eightBit: readonly CurvePoint[];
  readonly smoothness: MeasuredSmoothness | undefined;
  strip?: TargetedPictures;
  recognizability?: MeasuredRecognizability;
  sweep?: BudgetSweep;
}

/** The work of evaluation jobs. */
export class EvaluationJobs {
  readonly handlers: Readonly<Record<(typeof evaluationJobKinds)[number], JobHandler>>;
  readonly #dependencies: EvaluationDependencies;
  readonly #reports: Reports;
  readonly #run: <Result>(work: () => Promise<Result>) => Promise<Result>;

  /** `concurrency`: tasks under way at once. */
  constructor(dependencies: EvaluationDependencies, reports: Reports, concurrency: number) {
    this.#dependencies = dependencies;
    this.#reports = reports;
    this.#run = createLimiter(concurrency);
    this.handlers = {
      profile: (context) => this.#handle(context),
      smoothness: (context) => this.#handle(context),
      recognizability: (context) => this.#handle(context),
      report: (context) => this.#handle(context),
    };
  }

  async #handle(context: JobContext): Promise<JobResult> {
    const { spec } = context.spec;
    switch (spec?.$case) {
      case 'profile':
        return await this.#report(asReport(spec.value), context);
      case 'smoothness':
        return await this.#report(smoothnessAsReport(spec.value), context);
      case 'recognizability':
        return await this.#report(recognizabilityAsReport(spec.value), context);
      case 'report':
        return await this.#report(spec.value, context);
      default:
        throw rpcError('INTERNAL', 'an evaluation job needs an evaluation spec');
    }
  }

  async #report(spec: ReportSpec, context: JobContext): Promise<JobResult> {
    const { signal } = context;
    const tested = await fetchSamples(spec.samples as DatasetSelection, this.#dependencies, signal);
    const settings = profileSettingsOf(spec.profile, tested.dataset);
    const progress = new ReportProgress(spec.models.length, context);
    const models = await Promise.all(
      spec.models.map(({ model }) => this.#run(() => fetchModel(model, tested, this.#dependencies, signal))),
    );
    const judges = await fetchJudges(spec, models, tested, this.#dependencies, signal);
    const measured = await Promise.all(
      spec.models.map(async ({ displayName, recipe }, index): Promise<Measured> => {
        const fetched = models[index] as FetchedModel;
        const name = displayName || fetched.model.name;
        const ledger = await profileModel(fetched, tested, settings, this.#dependencies, this.#run, {
          signal,
          onFraction: (fraction) => progress.set(index, `profile of ${name}`, fraction * 0.75),
          onCurve: (curve) => progress.curve(name, curve),
        });
        await emitCurve(context, name, robustAccuracyCurve(ledger), false);
        const [eightBit, smoothness] = await Promise.all([
          this.#eightBit(fetched, tested, ledger, signal),
          this.#smoothness(fetched, tested, spec, settings.norm, signal),
        ]);
        progress.set(index, `profile of ${name}`, 0.8);
        return {
          name,
          recipe: recipe || (fetched.model.training?.recipe ?? ''),
          fetched,
          ledger,
          honesty: [],
          eightBit,
          smoothness,
        };
      }),
    );
    await this.#honesty(measured, tested, settings, signal);
    const figures = spec.figures?.omit
      ? {}
      : await this.#figures(spec, tested, measured, settings.norm, progress, context);
    await this.#judge(spec, tested, measured, judges, progress, signal);
    for (const [index, { name }] of measured.entries()) progress.set(index, `report of ${name}`, 1);
    const data = reportData(
      spec,
      tested,
      settings as unknown as Record<string, unknown>,
      measured,
      judges,
      figures,
      this.#dependencies.pool.engine,
    );
    return await this.#save(context, data, measured);
  }

  async #eightBit(
    fetched: FetchedModel,
    { samples }: TestedSamples,
    ledger: WitnessLedger,
    signal: AbortSignal,
  ): Promise<CurvePoint[]> {
    const task: EightBitTask = { model: modelWeightsOf(fetched.model, fetched.weights), samples, ledger };
    return await this.#run(() =>
      this.#dependencies.pool.run<CurvePoint[]>('roundWitnesses', task, { signal, priority: 'job' }),
    );
  }

  /** Checks every profile once all are there, since each is tried with the witnesses of the others. */
  async #honesty(
    measured: readonly Measured[],
    tested: TestedSamples,
    settings: ProfileSettings,
    signal: AbortSignal,
  ): Promise<void> {
    const epsilon = tested.dataset.defaults?.epsilon ?? 0;
    if (budgetPosition(settings.grid, epsilon) < 1) return;
    await Promise.all(
      measured.map(async (one) => {
        const task: HonestyTask = {
          model: modelWeightsOf(one.fetched.model, one.fetched.weights),
          samples: tested.samples,
          ledger: one.ledger,
          settings,
          others: measured.filter((other) => other !== one).map(({ ledger }) => ledger),
          epsilon,
          seed: settings.seed,
        };
        one.honesty = await this.#run(() =>
          this.#dependencies.pool.run<HonestyIndicator[]>('judgeHonesty', task, { signal, priority: 'job' }),
        );
      }),
    );
  }

  async #smoothness(
    fetched: FetchedModel,
    { samples, dataset }: TestedSamples,
    spec: ReportSpec,
    norm: number,
    signal: AbortSignal,
  ): Promise<MeasuredSmoothness | undefined> {
    const count = Math.min(spec.smoothnessSamples ?? 0, samples.ids.length);
    if (count === 0) return undefined;
    const task: SmoothnessTask = {
      model: modelWeightsOf(fetched.model, fetched.weights),
      samples: selectSamples(
        samples,
        Array.from({ length: count }, (_, i) => i),
      ),
      norm,
      projections: spec.smoothnessProjections ?? 10,
      radius: spec.lipschitzRadius ?? (dataset.defaults?.epsilon || 8 / 255),
      seed: spec.seed,
    };
    return await this.#run(() =>
      this.#dependencies.pool.run<MeasuredSmoothness>('measureSmoothness', task, { signal, priority: 'job' }),
    );
  }

  async #judge(
    spec: ReportSpec,
    tested: TestedSamples,
    measured: readonly Measured[],
    judges: readonly FetchedModel[],
    progress: ReportProgress,
    signal: AbortSignal,
  ): Promise<void> {
    if (judges.length === 0) return;
    await Promise.all(
      measured.map(async (one, index) => {
        one.recognizability = await this.#run(() =>
          measureRecognizability(spec, one.fetched, judges, tested, one.strip, this.#dependencies, {
            signal,
            onFraction: (fraction) =>
              progress.set(index, `pictures of ${one.name} before judges`, 0.9 + 0.1 * fraction),
          }),
        );
      }),
    );
  }

  async #figures(
    spec: ReportSpec,
    tested: TestedSamples,
    measured: readonly Measured[],
    norm: number,
    progress: ReportProgress,
    context: JobContext,
  ): Promise<Pick<ReportData, 'figures'>['figures']> {
    const asked = askedOptions(spec.figures?.inversion, true);
    const inversion = asked.kind === 'options' ? asked.options : {};
    await Promise.all(
      measured.map(async (one, index) => {
        const task: InversionTask = {
          model: modelWeightsOf(one.fetched.model, one.fetched.weights),
          noiseSeed: spec.figures?.noiseSeed ?? 0,
          norm: inversion.norm ?? Number.POSITIVE_INFINITY,
          step: inversion.step?.kind === 'absolute' ? inversion.step.size : 2 / 255,
          steps: inversion.steps ?? 2048,
        };
        one.strip = await this.#run(() =>
          this.#dependencies.pool.run<TargetedPictures>('invertClasses', task, {
            signal: context.signal,
            priority: 'job',
            onProgress: (event) => {
              const { done, total } = event as { done: number; total: number };
              progress.set(index, `pictures of ${one.name}`, 0.8 + (0.1 * done) / total);
            },
          }),
        );
        progress.set(index, `pictures of ${one.name}`, 0.9);
        await context.emit({ $case: 'gallery', value: stripGallery(one.name, one.strip, task.steps, tested) });
      }),
    );
    const source = this.#source(spec, tested, measured);
    const starts = measured[0]?.strip?.starts;
    if (source === undefined) return starts ? { starts } : {};
    const shown = [robustOf(measured), measured.find(({ recipe }) => recipe === 'standard')];
    await Promise.all(
      shown.map(async (one) => {
        if (one === undefined) return;
        const task: BudgetSweepTask = {
          model: modelWeightsOf(one.fetched.model, one.fetched.weights),
          image: source.image,
          sampleId: source.sampleId,
          target: source.target,
          budgets: sweepBudgetsOf(spec, one.ledger.grid),
          norm,
          steps: 100,
          seed: spec.seed,
        };
        one.sweep = await this.#run(() =>
          this.#dependencies.pool.run<BudgetSweep>('sweepBudgets', task, { signal: context.signal, priority: 'job' }),
        );
      }),
    );
    return { source, ...(starts ? { starts } : {}) };
  }

  /** The sample of figure 1.1: the one asked for, or the first of its class that the two models of the figure classify correctly. */
  #source(
    spec: ReportSpec,
    { dataset, samples }: TestedSamples,
    measured: readonly Measured[],
  ): NonNullable<ReportData['figures']['source']> | undefined {
    const pair = figurePair(dataset.classNames);
    const label = spec.figures?.sourceClass ?? pair.source;
    const target = spec.figures?.targetClass ?? pair.target;
    const shown = [robustOf(measured), measured.find(({ recipe }) => recipe === 'standard')];
    const correct = (id: number): boolean =>
      shown.every(
        (one) => one === undefined || one.ledger.entries.find((entry) => entry.id === id)?.cleanPrediction === label,
      );
    const asked = spec.figures?.sourceSample;
    const ofClass = [...samples.labels.keys()].filter((i) => samples.labels[i] === label);
    const position =
      asked === undefined
        ? (ofClass.find((i) => correct(samples.ids[i] as number)) ?? ofClass[0])
        : [...samples.ids.keys()].find((i) => samples.ids[i] === asked);
    if (position === undefined) return undefined;
    const one: Samples = selectSamples(samples, [position]);
    return { image: one.images, label: one.labels[0] as number, target, sampleId: one.ids[0] as number };
  }

  async #save(context: JobContext, data: ReportData, measured: readonly Measured[]): Promise<JobResult> {
    const task: DrawingTask = {
      data,
      labelled: measured.flatMap(({ name, recognizability }) =>
        recognizability === undefined ? [] : [{ name, pictures: recognizability.pictures }],
      ),
    };
    const drawn = await this.#dependencies.pool.run<ReportFile[]>('drawReport', task, {
      signal: context.signal,
      priority: 'job',
    });
    const files: ReportFile[] = [
      ...drawn,
      ...smoothnessTable(
        measured.flatMap(({ name, smoothness }) => (smoothness === undefined ? [] : [{ name, smoothness }])),
      ),
      ...measured.map(({ name, ledger }) => ({
        name: witnessFile(name),
        mediaType: 'application/octet-stream',
        bytes: encodeLedger(ledger),
      })),
      {
        name: 'run.json',
        mediaType: 'application/json',
        bytes: new TextEncoder().encode(
          JSON.stringify({
            job: context.job.id,
            host: hostname(),
            started: context.job.startTime,
            finished: new Date().toISOString(),
          }),
        ),
      },
    ];
    const artifacts = await this.#reports.save(context, files);
    const report = artifacts.find(({ name }) => name === 'report.json');
    return {
      result: { $case: 'report', value: { reportId: context.job.id, sha256: report?.sha256 ?? '' } },
      artifacts,
    };
  }
}

function robustOf(measured: readonly Measured[]): Measured | undefined {
  for (const recipe of robustRecipes) {
    const found = measured.find((one) => one.recipe === recipe);
    if (found) return found;
  }
  return undefined;
}

function sweepBudgetsOf(spec: ReportSpec, grid: readonly number[]): number[] {
  if (spec.figures?.budgets.length) return spec.figures.budgets;
  const last = grid.length - 1;
  const positions = [...new Set([1, 2, 3, 4, 5, 6].map((i) => Math.round((i * last) / 6)))];
  return positions.flatMap((position) => (position > 0 ? [grid[position] as number] : []));
}

function asReport({ model, samples, settings }: ProfileSpec): ReportSpec {
  return ReportSpec.fromPartial({ models: [{ model }], samples, profile: settings, figures: { omit: true } });
}

/** A report of the clean accuracy and the smoothness of all samples. */
function smoothnessAsReport({ model, samples, norm, seed, radius, projections }: SmoothnessSpec): ReportSpec {
  return ReportSpec.fromPartial({
    models: [{ model }],
    samples,
    profile: { grid: [0], attack: { norm, seed, steps: 1 } },
    figures: { omit: true },
    smoothnessSamples: 0xffffffff,
    smoothnessProjections: projections,
    lipschitzRadius: radius,
    seed,
  });
}

/** A report of the clean accuracy and the recognizability of one model. */
function recognizabilityAsReport(spec: RecognizabilitySpec): ReportSpec {
  return ReportSpec.fromPartial({
    models: [{ model: spec.model }],
    samples: spec.samples,
    profile: { grid: [0], attack: { steps: 1 } },
    figures: { omit: true },
    judges: spec.judges,
    recognizabilitySamples: spec.pictures ?? 40,
    recognizabilityAttack: spec.attack,
    bootstrapSamples: spec.bootstrapSamples,
    seed: spec.seed,
  });
}

/** Progress over all models of a report, told at most four times a second, and provisional curves at most once a second per model. */
class ReportProgress {
  readonly #fractions: Float64Array;
  readonly #context: JobContext;
  readonly #told = new Map<string, number>();

  constructor(models: number, context: JobContext) {
    this.#fractions = new Float64Array(models);
    this.#context = context;
  }

  set(model: number, message: string, fraction: number): void {
    this.#fractions[model] = Math.max(this.#fractions[model] as number, fraction);
    const total = this.#fractions.length;
    const done = this.#fractions.reduce((sum, part) => sum + part, 0);
    this.#context.progress({ done: Math.min(total, done), total, unit: 'models', message });
  }

  curve(name: string, curve: readonly CurvePoint[]): void {
    const now = Date.now();
    if (now - (this.#told.get(name) ?? 0) < 1_000) return;
    this.#told.set(name, now);
    // A provisional point that cannot be told is followed by the final ones, whose loss fails the job.
    emitCurve(this.#context, name, curve, true).catch((error: unknown) => {
      this.#told.set(`${name} ${String(error)}`, now);
    });
  }
}

async function emitCurve(
  context: JobContext,
  model: string,
  curve: readonly CurvePoint[],
  provisional: boolean,
): Promise<void> {
  for (const { epsilon, accuracy } of curve) {
    await context.emit({
      $case: 'profilePoint',
      value: {
        model,
        epsilon,
        accuracy: accuracy.estimate,
        samples: accuracy.n,
        lower: accuracy.lower,
        upper: accuracy.upper,
        provisional,
      },
    });
  }
}

function stripGallery(
  name: string,
  strip: TargetedPictures,
  steps: number,
  { dataset }: TestedSamples,
): GallerySnapshot {
  const { height, width, channels, classNames } = dataset;
  const pixels = Uint8Array.from(strip.images, (value) => Math.round(Math.min(1, Math.max(0, value)) * 255));
  return {
    gallery: 'targeted perturbations',
    group: name,
    step: steps,
    totalSteps: steps,
    images: encodeTensor(pixels, [classNames.length, height, width, channels]),
    slots: [...classNames],
    captions: Array.from(strip.confidence, (confidence) => `${Math.round(confidence * 100)} %`),
    successes: Array.from(strip.success, (success) => success === 1),
  };
}

function reportData(
  spec: ReportSpec,
  { dataset, split, splitDigest, samples }: TestedSamples,
  settings: Record<string, unknown>,
  measured: readonly Measured[],
  judges: readonly FetchedModel[],
  figures: ReportData['figures'],
  engine: ReportData['engine'],
): ReportData {
  return {
    title: spec.title || `Robustness on ${dataset.name}`,
    dataset: {
      name: dataset.name,
      split,
      samples: samples.ids.length,
      digest: splitDigest,
      classNames: dataset.classNames,
      height: dataset.height,
      width: dataset.width,
      channels: dataset.channels,
      trainingEpsilon: dataset.defaults?.epsilon ?? 0,
      norm: dataset.defaults?.norm ?? Number.POSITIVE_INFINITY,
    },
    models: measured.map((one) => reportModel(one, settings, samples, dataset.defaults?.epsilon ?? 0)),
    figures,
    ...(judges.length === 0 ? {} : { judges: judges.map(judgeRecord) }),
    comparisons: pairedComparisons(measured, dataset.defaults?.epsilon ?? 0),
    settings: {
      profile: settings,
      smoothnessSamples: spec.smoothnessSamples ?? 0,
      recognizabilitySamples: spec.recognizabilitySamples ?? 0,
      seed: spec.seed,
    },
    engine: { name: engine.name, version: engine.version, path: engine.path, threads: engine.threads },
    perceptVersion: version,
  };
}

/** Every pair of models at the training budget, sample by sample; none where the grid lacks it. */
function pairedComparisons(
  measured: readonly Measured[],
  trainingEpsilon: number,
): NonNullable<ReportData['comparisons']> {
  return measured.flatMap((first, i) =>
    measured.slice(i + 1).flatMap((second) => {
      const budget = budgetPosition(first.ledger.grid, trainingEpsilon);
      const found = budget < 1 ? undefined : comparePaired(first.ledger, second.ledger)[budget];
      return found === undefined ? [] : [{ first: first.name, second: second.name, ...found }];
    }),
  );
}

function reportModel(
  one: Measured,
  settings: Record<string, unknown>,
  samples: Samples,
  trainingEpsilon: number,
): ReportModel {
  const { fetched, ledger, strip, sweep, smoothness } = one;
  const { training, spec, digest } = fetched.model;
  const confirmations = settings['confirmations'] as ProfileSettings['confirmations'];
  const predictions = Int32Array.from(ledger.entries, (entry) => entry.cleanPrediction);
  const trainingBudget = budgetPosition(ledger.grid, trainingEpsilon);
  return {
    name: one.name,
    displayName: one.name,
    recipe: one.recipe,
    preset: training?.preset ?? '',
    parameters: training?.parameters ?? {},
    digest,
    spec: {
      architecture: spec?.architecture ?? '',
      width: spec?.width ?? 0,
      blocks: spec?.blocks ?? [],
      mean: spec?.mean ?? [],
      std: spec?.std ?? [],
    },
    epochs: training?.epochs ?? 0,
    seed: training?.seed ?? 0,
    dataset: training?.dataset ?? '',
    profile: {
      strategy: String(settings['strategy']),
      attacks: settings['attacks'] as ReportModel['profile']['attacks'],
      ...(confirmations.length === 0 ? {} : { confirmations: confirmations.map(({ attack }) => attack) }),
      curve: robustAccuracyCurve(ledger),
      eightBit: one.eightBit,
      gradientImageSteps: ledger.cost.gradientImageSteps,
      forwardImagePasses: ledger.cost.forwardImagePasses,
      rejectedWitnesses: ledger.cost.rejectedWitnesses,
      witnessesSha256: ledgerDigest(ledger),
      ...(trainingBudget < 1 ? {} : { perClass: robustPerClass(ledger, trainingBudget) }),
    },
    collapse: classCollapse(predictions, ledger.classes, samples.labels),
    honesty: one.honesty,
    ...(smoothness
      ? {
          smoothness: {
            mean: smoothness.mean,
            samples: smoothness.samples.length,
            lemma: smoothness.lemma,
            localLipschitz: {
              mean: smoothness.localLipschitz.reduce((sum, value) => sum + value, 0) / smoothness.samples.length,
              largest: Math.max(...smoothness.localLipschitz),
              radius: smoothness.radius,
            },
            ...(smoothness.estimates
              ? {
                  estimates: {
                    mean: smoothness.estimates.mean,
                    relativeError: smoothness.estimates.relativeError,
                    projections: smoothness.estimates.projections,
                  },
                }
              : {}),
          },
        }
      : {}),
    ...(one.recognizability ? { recognizability: one.recognizability } : {}),
    ...(strip ? { strip: { images: strip.images, success: strip.success, confidence: strip.confidence } } : {}),
    ...(sweep ? { sweep } : {}),
  };
}
