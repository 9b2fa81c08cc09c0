import { budgetUnitOf, type ChartSeries, chartLegend, curveChart } from './curve-chart.js';
import { pictureDataUri } from './pictures.js';
import type { ReportData, ReportModel } from './report-data.js';
import { svgDocument, svgPicture, svgText } from './svg.js';

const robustColour = '#e07b00';
const standardColour = '#0072b2';
const cell = 76;
const frame = { left: 110, top: 172, width: 640, height: 240 };

/** Figure 1.1: a robust and a standard model's accuracy over the budget, with targeted perturbations of one test image at several budgets. */
export function figure11({ models, dataset, figures }: ReportData): string | undefined {
  const swept = models.filter(({ sweep }) => sweep !== undefined);
  const standard = swept.find(({ recipe }) => recipe === 'standard');
  const robust = swept.find(({ recipe }) => recipe !== 'standard');
  const { source } = figures;
  if (standard === undefined || robust === undefined || source === undefined) return undefined;
  const grid = robust.profile.curve.map(({ epsilon }) => epsilon);
  const unit = budgetUnitOf(grid, dataset.norm);
  const series: ChartSeries[] = [
    {
      label: `${robust.displayName} (pictures above)`,
      colour: robustColour,
      dashed: false,
      curve: robust.profile.curve,
    },
    {
      label: `${standard.displayName} (pictures below)`,
      colour: standardColour,
      dashed: false,
      curve: standard.profile.curve,
    },
  ];
  const from = dataset.classNames[source.label];
  const to = dataset.classNames[source.target];
  const below = frame.top + frame.height + 78;
  const legend = chartLegend(series, frame.left, below - 26, frame.width);
  return svgDocument(frame.left + frame.width + 40, below + cell + 70, 'Figure 1.1: human-recognizability', [
    svgText(16, 24, `Figure 1.1: targeted perturbations of a "${from}" towards "${to}"`, { size: 15, bold: true }),
    svgText(
      16,
      42,
      `Test image ${source.sampleId} (outlined in black), each budget attacked on its own; ${dataset.samples} images per curve`,
      { size: 11, fill: '#555' },
    ),
    ...pictureRow(robust, 62, robustColour, source.image, dataset, unit.label),
    ...curveChart(series, frame, dataset.trainingEpsilon, unit),
    ...legend.body,
    ...pictureRow(standard, below, standardColour, source.image, dataset, unit.label),
  ]);
}

function pictureRow(
  { sweep }: ReportModel,
  y: number,
  colour: string,
  original: Float32Array,
  dataset: ReportData['dataset'],
  label: (epsilon: number) => string,
): string[] {
  const budgets = sweep?.budgets ?? [];
  const step = frame.width / Math.max(1, budgets.length);
  const body = [
    svgPicture(16, y, cell, cell, pictureDataUri(original, dataset), { colour: '#000', width: 3 }),
    svgText(16 + cell / 2, y + cell + 14, 'original', { anchor: 'middle', size: 10 }),
  ];
  for (const [i, budget] of budgets.entries()) {
    const x = frame.left + i * step + (step - cell) / 2;
    const seen = dataset.classNames[sweep?.predictions[i] ?? 0] ?? '';
    body.push(
      svgPicture(x, y, cell, cell, pictureDataUri(sweep?.images[i] as Float32Array, dataset), { colour, width: 2 }),
      svgText(
        x + cell / 2,
        y + cell + 14,
        `ε = ${label(budget)}: ${seen}, ${Math.round((sweep?.confidences[i] ?? 0) * 100)} %`,
        { anchor: 'middle', size: 10 },
      ),
    );
  }
  return body;
}
