import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  AttackOptions,
  DatasetSelection,
  type Job,
  JobState,
  ProfileSettings,
  ProfileStrategy,
  ReportSpec,
  TrainingSpec,
} from '@percept/contracts';
import { engineNames } from '@percept/tensor';
import { type Command, Option } from 'commander';
import { UsageError } from '../exit-code.js';
import { followJob } from '../follow-job.js';
import { type ClientOptions, cores, endpointsOf, parseCount, print } from '../global-options.js';
import { type Embedded, startEmbedded } from '../hosting/embedded.js';
import { type PerceptClient, perceptClient } from '../percept-client.js';
import { formatDuration, ProgressDisplay } from '../progress-display.js';
import { downloadReport } from '../report-files.js';
import {
  type ReproduceJudge,
  type ReproducePreset,
  reportedRecipes,
  reproducedRecipes,
  reproducePresets,
} from '../reproduce-presets.js';
import { formatTable } from '../table.js';

/** `percept reproduce`: the paper's whole experiment, from training to report, over the services. */
export function addReproduce(program: Command): void {
  program
    .command('reproduce')
    .description("train all nine recipes, attack and measure them, and write the report with the paper's figures")
    .addOption(
      new Option('--preset <name>', 'the size of the experiment')
        .choices(reproducePresets.map(({ name }) => name))
        .default('quickstart'),
    )
    .option('--address <host:port>', 'use services that are up; default: start them in this process')
    .option('--data-folder <folder>', 'where jobs, models and reports are kept; default: .percept/<preset>')
    .option('--out <folder>', 'where the report goes; default: percept-report/<preset>')
    .option('--seed <n>', 'seed of everything random', parseCount, 0)
    .option('--fresh', 'train again, although this experiment was done before in this data folder', false)
    .option('--dashboard', 'show the dashboard, and keep the services up at the end', false)
    .option('--dashboard-port <port>', 'port of the dashboard', parseCount, 8080)
    .option('--workers <n>', 'compute workers', parseCount, cores)
    .option('--threads <n>', "threads of each worker's engine", parseCount, 1)
    .addOption(new Option('--engine <engine>', 'the engine; default: native where it was built').choices(engineNames))
    .option('--json', 'print JSON for programs', false)
    .action(async (options) => {
      const preset = reproducePresets.find(({ name }) => name === options.preset) as ReproducePreset;
      const dataFolder: string = options.dataFolder ?? path.join('.percept', preset.name);
      const started = Date.now();
      const interrupted = new AbortController();
      process.once('SIGINT', () => {
        process.stderr.write('ending; the same command goes on from here\n');
        interrupted.abort();
      });
      const embedded: Embedded | undefined =
        options.address === undefined
          ? await startEmbedded({
              dataFolder,
              host: '127.0.0.1',
              port: 0,
              workers: options.workers,
              threads: options.threads,
              dashboard: options.dashboard ? { port: options.dashboardPort } : undefined,
              logLevel: 'error',
              ...(options.engine ? { engine: options.engine } : {}),
            })
          : undefined;
      const endpoints = embedded?.endpoints ?? (await endpointsOf(options as ClientOptions));
      const client = perceptClient(endpoints);
      try {
        process.stderr.write(
          `services at ${endpoints.attack}${embedded?.dashboard ? `, dashboard at ${embedded.dashboard}` : ''}\n`,
        );
        const run = new Reproduction(
          client,
          preset,
          options.seed,
          options.fresh ? `-${Date.now()}` : '',
          interrupted.signal,
        );
        const out: string = options.out ?? path.join('percept-report', preset.name);
        const page = await run.run(out);
        const report = JSON.parse(await readFile(path.join(out, 'report.json'), 'utf8')) as ReportSummary;
        print(
          options,
          { page, report },
          () =>
            `${summaryTable(report)}\n\nreport: ${path.resolve(page)} (${formatDuration((Date.now() - started) / 1000)})`,
        );
        if (embedded?.dashboard) {
          process.stderr.write(`dashboard at ${embedded.dashboard}; Ctrl-C ends it\n`);
          await new Promise<void>((resolve) =>
            interrupted.signal.addEventListener('abort', () => resolve(), { once: true }),
          );
        }
      } finally {
        client.close();
        await embedded?.close();
      }
    });
}

/** What the closing table shows of report.json. */
interface ReportSummary {
  readonly dataset: { readonly trainingEpsilon: number };
  readonly models: readonly {
    readonly displayName: string;
    readonly profile: {
      readonly curve: readonly { readonly epsilon: number; readonly accuracy: { readonly estimate: number } }[];
    };
    readonly collapse: { readonly collapsed: boolean };
  }[];
}

function summaryTable({ dataset, models }: ReportSummary): string {
  const percent = (share: number | undefined): string => (share === undefined ? '' : `${(share * 100).toFixed(1)} %`);
  return formatTable(
    ['model', 'clean', `robust at ${dataset.trainingEpsilon.toFixed(3)}`, ''],
    models.map(({ displayName, profile, collapse }) => [
      displayName,
      percent(profile.curve[0]?.accuracy.estimate),
      percent(
        profile.curve.find(({ epsilon }) => Math.abs(epsilon - dataset.trainingEpsilon) < 1e-9)?.accuracy.estimate,
      ),
      collapse.collapsed ? 'collapsed to one class' : '',
    ]),
  );
}

/** Judges share no initial weights with those they judge. */
const judgeSeedOffset = 1_000;

function judgeName(index: number): string {
  return `judge-${index + 1}`;
}

/** One run of the experiment as a client of the services. */
class Reproduction {
  readonly #client: PerceptClient;
  readonly #preset: ReproducePreset;
  readonly #seed: number;
  readonly #suffix: string;
  readonly #signal: AbortSignal;
  readonly #display = new ProgressDisplay();

  constructor(client: PerceptClient, preset: ReproducePreset, seed: number, suffix: string, signal: AbortSignal) {
    this.#client = client;
    this.#preset = preset;
    this.#seed = seed;
    this.#suffix = suffix;
    this.#signal = signal;
  }

  /** Trains, measures and downloads the report into `out`; answers with its page. */
  async run(out: string): Promise<string> {
    const { dataset } = await this.#client.dataset.get({ name: this.#preset.dataset }, { signal: this.#signal });
    if (!dataset?.available)
      throw new UsageError(`the data set ${this.#preset.dataset} is not there yet: ${dataset?.source ?? ''}`);
    const models = await this.#trainAll();
    const { job } = await this.#client.evaluation.submit(
      { requestId: this.#requestId('report'), evaluation: { $case: 'report', value: this.#reportSpec(models) } },
      { signal: this.#signal },
    );
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
    const running: Promise<void>[] = [];
    for (const [index, judge] of this.#preset.recognizability.judges.entries()) {
      const job = await this.#submitTraining(judgeName(index), {
        ...judge,
        seed: this.#seed + judgeSeedOffset + index,
      });
      running.push(finish(judgeName(index), job));
    }
    for (const recipe of reproducedRecipes) {
      const job = await this.#submitTraining(recipe);
      running.push(
        finish(recipe, job).then(async () => {
          if (recipe !== 'teacher') return;
          await finish('distilled', await this.#submitTraining('distilled', { teacher: models.get('teacher') ?? '' }));
        }),
      );
    }
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
    const { job } = await this.#client.training.submit(
      { requestId: this.#requestId(part), spec },
      { signal: this.#signal },
    );
    const submitted = job as Job;
    this.#display.update(submitted.id, { label: part, fraction: 0, note: 'waiting', state: 'waiting' });
    return submitted;
  }

  async #follow(owner: 'training' | 'evaluation', job: Job, label: string): Promise<Job> {
    if (job.state === JobState.FAILED || job.state === JobState.CANCELLED) {
      throw new UsageError(
        `an earlier run of this experiment failed at ${label} (${job.error?.message ?? 'cancelled'}); add --fresh to begin anew`,
      );
    }
    return await followJob(this.#client.jobs(owner), job.id, label, this.#display, this.#signal);
  }

  #requestId(part: string): string {
    return `reproduce-${this.#preset.name}-${this.#seed}-${part}${this.#suffix}`;
  }

  #reportSpec(models: ReadonlyMap<string, string>): ReportSpec {
    const { dataset, testSamples, profile, inversion, smoothnessSamples, recognizability, name } = this.#preset;
    const strategies = {
      exhaustive: ProfileStrategy.EXHAUSTIVE,
      ascending: ProfileStrategy.ASCENDING,
      bisect: ProfileStrategy.BISECT,
    } as const;
    const stepCase = profile.step.kind === 'absolute' ? 'absoluteStep' : 'relativeStep';
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
        attack: AttackOptions.fromPartial({
          steps: profile.steps,
          restarts: profile.restarts,
          loss: profile.loss === 'margin' ? 2 : 1,
          seed: this.#seed,
          step: { $case: stepCase, value: profile.step.size },
        }),
      }),
      figures: {
        inversion: { steps: inversion.steps, step: { $case: 'absoluteStep', value: inversion.step } },
        noiseSeed: this.#seed,
      },
      smoothnessSamples,
      recognizabilitySamples: recognizability.pictures,
      judges: recognizability.judges.map((_, index) => ({
        reference: { $case: 'registered', value: models.get(judgeName(index)) ?? '' },
      })),
      seed: this.#seed,
    });
  }
}
