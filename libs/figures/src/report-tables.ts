import type { HonestyIndicator, Proportion } from '@percept/measures';
import { budgetText, percent, significant } from './number-format.js';
import { budgetsOf, pointAtTrainingBudget, type ReportData, type ReportModel } from './report-data.js';
import { escapeText } from './svg.js';

/** One row per model: accuracy, smoothness where it was measured, collapse and honesty. */
export function modelTable(data: ReportData): string {
  const { models, dataset } = data;
  const smooth = models.some(({ smoothness }) => smoothness !== undefined);
  const head = [
    'model',
    'n',
    'clean',
    `robust at ${budgetText(dataset.trainingEpsilon, budgetsOf(data))}`,
    ...(smooth ? ['‖∇L‖', '‖F½J‖²', 'λmax(F)', 'Lemma C.1'] : []),
    'classes',
    'honesty',
  ];
  const rows = models.map((model) => {
    const cells = [
      String(model.profile.curve[0]?.accuracy.n ?? ''),
      accuracyCell(model.profile.curve.find(({ epsilon }) => epsilon === 0)?.accuracy),
      accuracyCell(pointAtTrainingBudget(model, dataset)?.accuracy),
      ...(smooth ? smoothnessCells(model) : []),
      collapseCell(model, dataset.classNames),
      honestyCell(model),
    ];
    const title = `${escapeText(model.displayName)}<small>${escapeText([model.recipe, model.preset].filter(Boolean).join(', '))}</small>`;
    return `<tr><th scope="row">${title}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return table(head, rows);
}

/** One row per check of a profile's honesty. */
export function honestyTable(indicators: readonly HonestyIndicator[]): string {
  const rows = indicators.map(
    ({ name, source, description, value, limit, passes }) =>
      `<tr><th scope="row">${escapeText(name)}</th><td>${verdict(passes, 'pass', 'fail')}</td><td>${significant(value)}</td><td>${significant(limit)}</td><td class="prose">${escapeText(description)}<small>${escapeText(source)}</small></td></tr>`,
  );
  return table(['check', 'verdict', 'value', 'limit', 'what it measures'], rows);
}

function table(head: readonly string[], rows: readonly string[]): string {
  const titles = head.map((title, i) => {
    const prose = title === 'what it measures' ? ' class="text"' : '';
    return `<th scope="col"${i === 0 ? '' : prose}>${escapeText(title)}</th>`;
  });
  return `<table><thead><tr>${titles.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}

function accuracyCell(accuracy: Proportion | undefined): string {
  if (accuracy === undefined) return '<span class="soft">not on the grid</span>';
  const interval = `${(accuracy.lower * 100).toFixed(1)} to ${percent(accuracy.upper)}`;
  return `${percent(accuracy.estimate)}<small>${interval}</small>`;
}

function smoothnessCells({ smoothness }: ReportModel): string[] {
  if (smoothness === undefined)
    return Array.from({ length: 4 }, () => '<span class="soft" title="not measured">–</span>');
  const { mean, lemma } = smoothness;
  return [
    significant(mean.lossGradientDualNorm),
    significant(mean.fimFrobeniusSquared),
    significant(mean.fimLargestEigenvalue),
    verdict(lemma.holds, 'holds', 'broken'),
  ];
}

function collapseCell({ collapse }: ReportModel, classNames: readonly string[]): string {
  const top = `“${escapeText(classNames[collapse.topClass] ?? String(collapse.topClass))}”, ${percent(collapse.topShare)}`;
  return `${verdict(!collapse.collapsed, 'spread', 'collapsed')}<small class="wrap">most: ${top}</small>`;
}

function honestyCell({ honesty = [] }: ReportModel): string {
  if (honesty.length === 0) return '<span class="soft">not checked</span>';
  const failing = honesty.filter(({ passes }) => !passes);
  if (failing.length === 0) return verdict(true, `${honesty.length} pass`, '');
  return `${verdict(false, '', `${failing.length} of ${honesty.length} fail`)}${failing.map(({ name }) => `<small class="wrap">${escapeText(name)}</small>`).join('')}`;
}

function verdict(good: boolean, yes: string, no: string): string {
  return `<span class="${good ? 'good' : 'bad'}">${good ? `✓ ${escapeText(yes)}` : `✗ ${escapeText(no)}`}</span>`;
}
