import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { PairedTest } from '@percept/contracts';
import { InvalidAnswersError, type LabellingAnswers, type LabellingKey, scoreLabelling } from '@percept/measures';
import type { Command } from 'commander';
import { namingFlags, UsageError } from '../exit-code.js';
import { print, withClient, withClientOptions } from '../global-options.js';
import { formatTable } from '../table.js';

/** Numbers that `percept reports compare` shows; --json gives all. */
const shownMetrics = /^(collapse\.relativeEntropy|smoothness\.mean\.\w+|recognizability\.(topOne|evidence)\.estimate)$/;

/** `percept reports compare | score-labels`. */
export function addReports(program: Command): void {
  const reports = program.command('reports').description('finished reports');
  withClientOptions(
    reports.command('compare <id> <id...>').description('set reports side by side; the first is the baseline'),
  ).action(async (first: string, others: string[], options) => {
    await withClient(options, async (client) => {
      const compared = await namingFlags(
        { report_ids: '<id>' },
        client.evaluation.compareReports({ reportIds: [first, ...others] }),
      );
      const shown = compared.metrics.filter(({ metric }) => shownMetrics.test(metric));
      print(options, compared, () =>
        [
          compared.identical ? 'the reports are identical, byte for byte' : '',
          compared.pairedTests.length > 0 ? pairedTable(compared.pairedTests, [first, ...others]) : '',
          formatTable(
            ['model', 'metric', first, ...others.map((id) => `${id} (difference)`)],
            shown.map(({ model, metric, values }) => [
              model,
              metric,
              ...values.map(({ value, difference }, i) => valueText(value, i === 0 ? undefined : difference)),
            ]),
          ),
          compared.differingSettings.length > 0 ? `differing settings: ${compared.differingSettings.join(', ')}` : '',
        ]
          .filter((part) => part !== '')
          .join('\n\n'),
      );
    });
  });
  reports
    .command('score-labels <report> <answers...>')
    .description("score people's answers to a report's labelling/pictures.json, one JSON file per person")
    .option('--json', 'print JSON for programs', false)
    .action(async (report: string, files: string[], options) => {
      const key = await readJson<LabellingKey>(path.join(report, 'labelling', 'key.json'));
      const { classNames } = await readJson<{ classNames: string[] }>(path.join(report, 'labelling', 'pictures.json'));
      const sheets = await Promise.all(files.map((file) => readJson<LabellingAnswers>(file)));
      const score = scored(() => scoreLabelling(key, sheets, classNames.length));
      print(options, score, () => {
        const table = formatTable(
          ['model', 'recognised', '95 % interval', 'answers'],
          Object.entries(score.groups).map(([group, { estimate, lower, upper, n }]) => [
            group,
            percent(estimate),
            `${percent(lower)} to ${percent(upper)}`,
            String(n),
          ]),
        );
        const { agreement } = score;
        return agreement === undefined
          ? table
          : `${table}\n\n${agreement.measure}'s kappa ${agreement.kappa.toFixed(3)} over ${agreement.pictures} pictures`;
      });
    });
}

function pairedTable(tests: readonly PairedTest[], ids: readonly string[]): string {
  return formatTable(
    ['model', 'report', 'budget', 'n', 'difference', 'only first', 'only other', 'p'],
    tests.map(({ model, report, epsilon, samples, difference, onlyFirst, onlyOther, pValue }) => [
      model,
      ids[report] ?? '',
      epsilon.toFixed(4),
      String(samples),
      `${(difference * 100).toFixed(1)} points`,
      String(onlyFirst),
      String(onlyOther),
      pValue.toPrecision(3),
    ]),
  );
}

function valueText(value: number | undefined, difference: number | undefined): string {
  if (value === undefined) return '';
  const text = value.toPrecision(4);
  return difference === undefined ? text : `${text} (${difference >= 0 ? '+' : ''}${difference.toPrecision(3)})`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

async function readJson<Value>(file: string): Promise<Value> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Value;
  } catch (error) {
    throw new UsageError(`${file} cannot be read as JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function scored<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (error instanceof InvalidAnswersError) throw new UsageError(error.message);
    throw error;
  }
}
