import type { Estimate, HonestyIndicator, Proportion } from '@percept/measures';
import { budgetText, percent, significant } from './number-format.js';
import { budgetsOf, curvePointAt, pointAtTrainingBudget, type ReportData, type ReportModel } from './report-data.js';
import { escapeText } from './svg.js';

/** One row per model: accuracy, smoothness and recognizability where they were measured, collapse and honesty. */
export function modelTable(data: ReportData): string {
  const { models, dataset } = data;
  const smooth = models.some(({ smoothness }) => smoothness !== undefined);
  const judged = models.some(({ recognizability }) => recognizability !== undefined);
  const head = [
    'model',
    'n',
    'clean',
    `robust at ${budgetText(dataset.trainingEpsilon, budgetsOf(data))}`,
    ...(smooth ? ['‖∇L‖', '‖F½J‖²', 'λmax(F)', 'Lipschitz'] : []),
    ...(judged ? ['recognised', 'evidence', 'aligned ∇'] : []),
    'classes',
    'honesty',
  ];
  const rows = models.map((model) => {
    const cells = [
      String(model.profile.curve[0]?.accuracy.n ?? ''),
      accuracyCell(model.profile.curve.find(({ epsilon }) => epsilon === 0)?.accuracy),
      `${accuracyCell(pointAtTrainingBudget(model, dataset)?.accuracy)}${eightBitNote(model, dataset)}`,
      ...(smooth ? smoothnessCells(model) : []),
      ...(judged ? recognizabilityCells(model) : []),
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
    ({ name, source, description, value, limit, side, verdict: found, advice }) =>
      `<tr><th scope="row">${escapeText(name)}</th><td>${honestyVerdict(found)}</td><td>${value === undefined ? notMeasured : significant(value)}</td><td>${side === 'at-most' ? '≤' : '≥'} ${significant(limit)}</td><td class="prose">${escapeText(description)}<small>${escapeText(source)}</small></td><td class="prose">${found === 'pass' ? '' : escapeText(advice)}</td></tr>`,
  );
  return table(['check', 'verdict', 'value', 'limit', 'what it measures', 'what to do'], rows);
}

function honestyVerdict(found: HonestyIndicator['verdict']): string {
  return found === 'not-run' ? '<span class="soft">not run</span>' : verdict(found === 'pass', 'pass', 'fail');
}

function table(head: readonly string[], rows: readonly string[]): string {
  const titles = head.map((title, i) => {
    const prose = title.startsWith('what ') ? ' class="text"' : '';
    return `<th scope="col"${i === 0 ? '' : prose}>${escapeText(title)}</th>`;
  });
  return `<table><thead><tr>${titles.join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}

function accuracyCell(accuracy: Proportion | undefined): string {
  if (accuracy === undefined) return '<span class="soft">not on the grid</span>';
  const interval = `${(accuracy.lower * 100).toFixed(1)} to ${percent(accuracy.upper)}`;
  return `${percent(accuracy.estimate)}<small>${interval}</small>`;
}

function eightBitNote({ profile }: ReportModel, { trainingEpsilon }: ReportData['dataset']): string {
  const point = curvePointAt(profile.eightBit ?? [], trainingEpsilon);
  return point === undefined ? '' : `<small>8-bit: ${percent(point.accuracy.estimate)}</small>`;
}

function smoothnessCells({ smoothness }: ReportModel): string[] {
  if (smoothness === undefined) return Array.from({ length: 4 }, () => notMeasured);
  const { mean, lemma, localLipschitz } = smoothness;
  return [
    significant(mean.lossGradientDualNorm),
    significant(mean.fimFrobeniusSquared),
    `${significant(mean.fimLargestEigenvalue)}<small>${verdict(lemma.holds, 'Lemma C.1', 'Lemma C.1')}</small>`,
    localLipschitz === undefined ? notMeasured : significant(localLipschitz.mean),
  ];
}

const notMeasured = '<span class="soft" title="not measured">–</span>';

function recognizabilityCells({ recognizability }: ReportModel): string[] {
  if (recognizability === undefined) return Array.from({ length: 3 }, () => notMeasured);
  const { topOne, evidence, gradients } = recognizability;
  return [shareCell(topOne), numberCell(evidence), numberCell(gradients.own)];
}

function shareCell({ estimate, lower, upper }: Estimate): string {
  return `${percent(estimate)}<small>${(lower * 100).toFixed(1)} to ${percent(upper)}</small>`;
}

function numberCell({ estimate, lower, upper }: Pick<Estimate, 'estimate' | 'lower' | 'upper'>): string {
  return `${signed(estimate)}<small>${signed(lower)} to ${signed(upper)}</small>`;
}

function signed(value: number): string {
  return value.toFixed(2).replace('-', '−');
}

/** One row per model: what independent judges say of its pictures, and the controls that say how far the judges may be trusted. */
export function recognizabilityTable({ models }: ReportData): string {
  const rows = models.flatMap(({ displayName, recognizability }) => {
    if (recognizability === undefined) return [];
    const { topOne, topFive, evidence, shuffled, exemplars, blend, recovers, strip, convinced, meanSteps, gradients } =
      recognizability;
    const cells = [
      `${percent(convinced)}<small>after ${meanSteps.toFixed(0)} steps</small>`,
      shareCell(topOne),
      shareCell(topFive),
      numberCell(evidence),
      numberCell({ estimate: shuffled.mean, lower: shuffled.lower, upper: shuffled.upper }),
      blend === undefined
        ? notMeasured
        : `${signed(blend.evidence.estimate)}<small>${percent(blend.topOne.estimate)}</small>`,
      exemplars === undefined
        ? notMeasured
        : `${signed(exemplars.evidence.estimate)}<small>${percent(exemplars.topOne.estimate)}</small>`,
      recovers === undefined ? notMeasured : verdict(recovers, 'reached', 'not reached'),
      strip === undefined ? notMeasured : shareCell(strip.topOne),
      numberCell(gradients.own),
      numberCell(gradients.shuffled),
    ];
    return [
      `<tr><th scope="row">${escapeText(displayName)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`,
    ];
  });
  const head = [
    'model',
    'convinced itself',
    'top-1',
    'top-5',
    'evidence S',
    'shuffled targets',
    'half blend',
    'real images',
    'blend level',
    'strip, top-1',
    'aligned ∇',
    'other classes',
  ];
  return table(head, rows);
}

/** One row per model, one column per class: robust accuracy at the training budget per true class. */
export function perClassTable(data: ReportData): string {
  const { models, dataset } = data;
  const rows = models.flatMap(({ displayName, profile }) => {
    if (profile.perClass === undefined) return [];
    const cells = profile.perClass.map(({ n, robust }) => (n === 0 ? notMeasured : percent(robust / n)));
    return [
      `<tr><th scope="row">${escapeText(displayName)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`,
    ];
  });
  return rows.length === 0 ? '' : table(['robust, by class', ...dataset.classNames], rows);
}

/** One row per model, one column per target class: how often the judges saw the target. */
export function perTargetTable({ models, dataset }: ReportData): string {
  const rows = models.flatMap(({ displayName, recognizability }) => {
    if (recognizability === undefined) return [];
    const cells = dataset.classNames.map((_, target) => {
      const found = recognizability.perTarget.find((one) => one.target === target);
      return found === undefined ? notMeasured : `${percent(found.topOne)}<small>S ${signed(found.evidence)}</small>`;
    });
    return [
      `<tr><th scope="row">${escapeText(displayName)}</th>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`,
    ];
  });
  return rows.length === 0 ? '' : table(['recognised, by target', ...dataset.classNames], rows);
}

function collapseCell({ collapse }: ReportModel, classNames: readonly string[]): string {
  const top = `“${escapeText(classNames[collapse.topClass] ?? String(collapse.topClass))}”, ${percent(collapse.topShare)}`;
  return `${verdict(!collapse.collapsed, 'spread', 'collapsed')}<small class="wrap">most: ${top}</small>`;
}

function honestyCell({ honesty = [] }: ReportModel): string {
  if (honesty.length === 0) return '<span class="soft">not checked</span>';
  const failing = honesty.filter(({ verdict: found }) => found === 'fail');
  const run = honesty.filter(({ verdict: found }) => found !== 'not-run').length;
  if (failing.length === 0) return verdict(true, `${run} pass`, '');
  return `${verdict(false, '', `${failing.length} of ${run} fail`)}${failing.map(({ name }) => `<small class="wrap">${escapeText(name)}</small>`).join('')}`;
}

function verdict(good: boolean, yes: string, no: string): string {
  return `<span class="${good ? 'good' : 'bad'}">${good ? `✓ ${escapeText(yes)}` : `✗ ${escapeText(no)}`}</span>`;
}

/** One row and one column per model: by how much the row's model is more robust at the training budget, with the exact p-value of McNemar's paired test. */
export function pairedTable({ models, comparisons = [] }: ReportData): string {
  if (comparisons.length === 0) return '';
  const rows = models.map((row) => {
    const cells = models.map((column) => {
      const direct = comparisons.find(({ first, second }) => first === row.name && second === column.name);
      const reverse = comparisons.find(({ first, second }) => first === column.name && second === row.name);
      const found = direct ?? reverse;
      if (found === undefined) return '<td></td>';
      const difference = direct === undefined ? -found.difference : found.difference;
      const points = `${difference < 0 ? '−' : '+'}${(Math.abs(difference) * 100).toFixed(1)}`;
      return `<td>${points}<small>p ${found.pValue < 1e-4 ? '< 0.0001' : significant(found.pValue)}</small></td>`;
    });
    return `<tr><th scope="row">${escapeText(row.displayName)}</th>${cells.join('')}</tr>`;
  });
  return table(['points above', ...models.map(({ displayName }) => displayName)], rows);
}
