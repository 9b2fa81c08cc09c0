import { createHash } from 'node:crypto';
import {
  AttackLoss,
  AttackOptions,
  DatasetSelection,
  type Job,
  JobState,
  ProfileSettings,
  ProfileStrategy,
  ReportSpec,
  TrainingSpec,
} from '@percept/contracts';
import { type FieldFlags, namingFlags, UsageError } from './exit-code.js';
import { followJob } from './follow-job.js';
import { OverallProgress } from './overall-progress.js';
import type { PerceptClient } from './percept-client.js';
import { ProgressDisplay, type ProgressLine } from './progress-display.js';
import { downloadReport } from './report-files.js';
import {
  expectedCosts,
  judgeName,
  type PresetAttack,
  type ReproduceJudge,
  type ReproducePreset,
  reportedRecipes,
  reproducedRecipes,
} from './reproduce-presets.js';

/** Which option of `percept reproduce` sets a field of its requests; all the others follow from the preset. */
const reproduceFlags: FieldFlags = {
  spec: '--preset',
  'spec.seed': '--seed',
  report: '--preset',
  'report.seed': '--seed',
  'report.profile.attack.seed': '--seed',
};

/** Judges share no initial weights with those they judge. */
const judgeSeedOffset = 1_000;

/** One run of the experiment as a client of the services. */
export class Reproduction {
  readonly #client: PerceptClient;
  readonly #preset: ReproducePreset;
  readonly #seed: number;
  readonly #suffix: string;
  readonly #signal: AbortSignal;
  readonly #display = new ProgressDisplay();
  readonly #overall: OverallProgress;

  /** `suffix` tells this run's jobs from those of another with the same preset and seed, whose results are used again otherwise. */
  constructor(client: PerceptClient, preset: ReproducePreset, seed: number, suffix: string, signal: AbortSignal) {
    this.#client = client;
    this.#preset = preset;
    this.#overall = new OverallProgress(expectedCosts(preset));
    this.#seed = seed;
    this.#suffix = suffix;
    this.#signal = signal;
  }

  /** Trains, measures and downloads the report into `out`; answers with its page. */
  async run(out: string): Promise<string> {
    const { dataset } = await this.#client.dataset.get({ name: this.#preset.dataset }, { signal: this.#signal });
    if (!dataset?.available)
      throw new UsageError(`the data set ${this.#preset.dataset} is not there yet: ${dataset?.source ?? ''}`);
    const report = this.#reportSpec(await this.#trainAll());
    const submitted = this.#client.evaluation.submit(
      {
        requestId: this.#requestId('report', ReportSpec.encode(report).finish()),
        evaluation: { $case: 'report', value: report },
      },
      { signal: this.#signal },
    );
    const { job } = await namingFlags(reproduceFlags, submitted);
    const ended = await this.#follow('evaluation', job as Job, 'report');
    this.#display.finish();
    return await downloadReport(this.#client, ended.id, out, this.#signal);
  }

  /** Every recipe's model id. */
  async #trainAll(): Promise<Map<string, string>> {
    const models = new Map<string, string>();
    const finish = async (recipe: string, job: Job): Promise<void> => {
      const ended = await this.#follow('training', job, recipe);
      const result = ended.result?.result;
      if (result?.$case === 'model') models.set(recipe, result.value.modelId);
    };
    // All are submitted before one is followed: a following that fails meanwhile would have nobody to tell.
    const submitted: [part: string, job: Job][] = [];
    for (const [index, judge] of this.#preset.recognizability.judges.entries()) {
      const seed = this.#seed + judgeSeedOffset + index;
      submitted.push([judgeName(index), await this.#submitTraining(judgeName(index), { ...judge, seed })]);
    }
    for (const recipe of reproducedRecipes) submitted.push([recipe, await this.#submitTraining(recipe)]);
    const running = submitted.map(async ([part, job]) => {
      await finish(part, job);
      if (part !== 'teacher') return;
      await finish('distilled', await this.#submitTraining('distilled', { teacher: models.get('teacher') ?? '' }));
    });
    const outcomes = await Promise.allSettled(running);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) {
      this.#display.finish();
      throw failed.reason;
    }
    return models;
  }

  /** Submits the training of `part`: a recipe by its name, or a judge as `change` describes it. */
  async #submitTraining(
    part: string,
    change: Partial<ReproduceJudge> & { readonly seed?: number; readonly teacher?: string } = {},
  ): Promise<Job> {
    const { dataset, recipePreset, trainLimit, name } = this.#preset;
    const { recipe = part, width = this.#preset.width, blocks = this.#preset.blocks, epochs, teacher } = change;
    const spec = TrainingSpec.fromPartial({
      recipe,
      preset: recipePreset,
      dataset,
      width,
      blocks: [...blocks],
      epochs,
      trainLimit,
      seed: change.seed ?? this.#seed,
      registerAs: `${name}-${part}`,
      ...(teacher ? { teacher: { reference: { $case: 'registered', value: teacher } } } : {}),
    });
    const { job } = await namingFlags(
      reproduceFlags,
      this.#client.training.submit(
        { requestId: this.#requestId(part, TrainingSpec.encode(spec).finish()), spec },
        { signal: this.#signal },
      ),
    );
    const submitted = job as Job;
    this.#display.update(submitted.id, {
      label: part,
      fraction: 0,
      note: 'waiting',
      state: 'waiting',
      logged: 'states',
    });
    return submitted;
  }

  async #follow(owner: 'training' | 'evaluation', job: Job, label: string): Promise<Job> {
    if (job.state === JobState.FAILED || job.state === JobState.CANCELLED) {
      throw new UsageError(
        `an earlier run of this experiment failed at ${label} (${job.error?.message ?? 'cancelled'}); add --fresh to begin anew`,
      );
    }
    const display = {
      update: (key: string, line: ProgressLine): void => {
        this.#display.update(key, { ...line, logged: 'states' });
        this.#showOverall(label, line.fraction);
      },
    };
    return await followJob(this.#client.jobs(owner), job.id, label, display, this.#signal);
  }

  /** The line of the whole, below those of its parts. */
  #showOverall(part: string, fraction: number): void {
    const overall = this.#overall.update(part, fraction, Date.now());
    this.#display.showLast({ label: 'all', note: '', state: overall.fraction >= 1 ? 'done' : 'running', ...overall });
  }

  /** The same for the same job, so that an interrupted run goes on; another where the preset has changed since. */
  #requestId(part: string, spec: Uint8Array): string {
    const digest = createHash('sha256').update(spec).digest('hex').slice(0, 8);
    return `reproduce-${this.#preset.name}-${this.#seed}-${part}-${digest}${this.#suffix}`;
  }

  #reportSpec(models: ReadonlyMap<string, string>): ReportSpec {
    const { dataset, testSamples, profile, inversion, smoothnessSamples, recognizability, name } = this.#preset;
    const strategies = {
      exhaustive: ProfileStrategy.EXHAUSTIVE,
      ascending: ProfileStrategy.ASCENDING,
      bisect: ProfileStrategy.BISECT,
    } as const;
    return ReportSpec.fromPartial({
      title: `The nine recipes on ${dataset} (${name})`,
      models: reportedRecipes.map((recipe) => ({
        model: { reference: { $case: 'registered', value: models.get(recipe) ?? '' } },
        displayName: recipe,
        recipe,
      })),
      samples: DatasetSelection.fromPartial({ dataset, split: 'test', count: testSamples }),
      profile: ProfileSettings.fromPartial({
        strategy: strategies[profile.strategy],
        attack: attackOptions(profile.attack, this.#seed),
        confirmations: profile.confirmations.map(({ from, attack }) => ({
          attack: attackOptions(attack, this.#seed),
          place: { $case: 'frontierFrom', value: from },
        })),
      }),
      figures: {
        inversion: { steps: inversion.steps, step: { $case: 'absoluteStep', value: inversion.step } },
        noiseSeed: this.#seed,
      },
      smoothnessSamples,
      recognizabilitySamples: recognizability.pictures,
      recognizabilityAttack: AttackOptions.fromPartial({
        norm: recognizability.norm,
        steps: recognizability.steps,
        step: { $case: 'absoluteStep', value: recognizability.step },
      }),
      judges: recognizability.judges.map((_, index) => ({
        reference: { $case: 'registered', value: models.get(judgeName(index)) ?? '' },
      })),
      seed: this.#seed,
    });
  }
}

function attackOptions(
  { method = '', loss, steps, restarts, queries, step }: PresetAttack,
  seed: number,
): AttackOptions {
  const losses = { 'cross-entropy': AttackLoss.CROSS_ENTROPY, margin: AttackLoss.MARGIN };
  return AttackOptions.fromPartial({
    method,
    steps,
    restarts,
    queries,
    seed,
    ...(loss === undefined ? {} : { loss: losses[loss] }),
    ...(step === undefined
      ? {}
      : { step: { $case: step.kind === 'absolute' ? 'absoluteStep' : 'relativeStep', value: step.size } }),
  });
}
