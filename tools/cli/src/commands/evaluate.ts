import { AttackOptions, DatasetSelection, ProfileSettings, ProfileStrategy, ReportSpec } from '@percept/contracts';
import type { Command } from 'commander';
import { attackOptionFlags } from '../attack-option-flags.js';
import { type FieldFlags, namingFlags, UsageError } from '../exit-code.js';
import { followJob } from '../follow-job.js';
import { parseCount, parseNumber, print, withClient, withClientOptions } from '../global-options.js';
import { ProgressDisplay } from '../progress-display.js';
import { downloadReport } from '../report-files.js';

const strategies = {
  exhaustive: ProfileStrategy.EXHAUSTIVE,
  ascending: ProfileStrategy.ASCENDING,
  bisect: ProfileStrategy.BISECT,
} as const;

/** Which option or argument sets a field of the request. */
const evaluateFlags: FieldFlags = {
  'report.models': '<model>',
  'report.samples': '--dataset',
  'report.samples.count': '--count',
  'report.profile.grid': '--grid',
  'report.profile.strategy': '--strategy',
  ...attackOptionFlags('report.profile.attack'),
  'report.profile.confirmations': '--confirm',
  'report.figures.inversion.steps': '--inversion-steps',
  'report.smoothness_samples': '--smoothness',
  'report.recognizability_samples': '--recognizability',
  'report.judges': '--judge',
  'report.seed': '--seed',
};

/** `percept evaluate`: measures models and writes their report. */
export function addEvaluate(program: Command): void {
  withClientOptions(program.command('evaluate <model...>').description('profile models and write their report'))
    .option('--dataset <name>', 'the data set', 'mnist-5k')
    .option('--count <n>', 'the first so many test samples; 0: all', parseCount, 0)
    .option('--grid <e,e,...>', "budgets, the first 0; default: the data set's", (text) =>
      text.split(',').map(parseNumber),
    )
    .option('--strategy <name>', 'exhaustive, ascending or bisect', 'ascending')
    .option('--steps <n>', 'attack steps per budget', parseCount, 50)
    .option('--restarts <n>', 'starts per budget at most', parseCount, 1)
    .option('--step <a>', 'length of a step in pixel units', parseNumber)
    .option('--relative-step <a>', 'length of a step as a fraction of the budget', parseNumber)
    .option(
      '--confirm <method...>',
      'further attacks, tried in turn where each sample still stands, such as square or autoattack',
    )
    .option('--inversion-steps <n>', "steps of the report's pictures", parseCount, 512)
    .option('--smoothness <n>', 'measure smoothness on the first so many samples', parseCount, 0)
    .option(
      '--recognizability <n>',
      'have independent models judge so many targeted pictures of each model',
      parseCount,
      0,
    )
    .option('--judge <model...>', 'models that judge; default: each model is judged by the others')
    .option('--no-figures', 'without pictures')
    .option('--out <folder>', 'where the report goes', 'percept-report')
    .option('--seed <n>', 'seed of everything random', parseCount, 0)
    .action(async (models: string[], options) => {
      const strategy = strategies[options.strategy as keyof typeof strategies];
      if (strategy === undefined)
        throw new UsageError(`--strategy must be one of ${Object.keys(strategies).join(', ')}`);
      const spec = ReportSpec.fromPartial({
        models: models.map((value) => ({ model: { reference: { $case: 'registered', value } } })),
        samples: DatasetSelection.fromPartial({ dataset: options.dataset, split: 'test', count: options.count }),
        profile: ProfileSettings.fromPartial({
          grid: options.grid ?? [],
          strategy,
          confirmations: ((options.confirm as string[] | undefined) ?? []).map((method) => ({ attack: { method } })),
          attack: AttackOptions.fromPartial({
            steps: options.steps,
            restarts: options.restarts,
            seed: options.seed,
            ...(options.step === undefined ? {} : { step: { $case: 'absoluteStep', value: options.step } }),
            ...(options.relativeStep === undefined
              ? {}
              : { step: { $case: 'relativeStep', value: options.relativeStep } }),
          }),
        }),
        figures: { omit: options.figures === false, inversion: { steps: options.inversionSteps } },
        smoothnessSamples: options.smoothness,
        recognizabilitySamples: options.recognizability,
        judges: ((options.judge as string[] | undefined) ?? []).map((value) => ({
          reference: { $case: 'registered', value },
        })),
        seed: options.seed,
      });
      await withClient(options, async (client, signal) => {
        const { job } = await namingFlags(
          evaluateFlags,
          client.evaluation.submit({ requestId: '', evaluation: { $case: 'report', value: spec } }),
        );
        const display = new ProgressDisplay();
        const ended = await followJob(client.jobs('evaluation'), job?.id ?? '', 'report', display, signal).finally(() =>
          display.finish(),
        );
        const page = await downloadReport(client, ended.id, options.out, signal);
        print(options, { reportId: ended.id, page }, () => page);
      });
    });
}
