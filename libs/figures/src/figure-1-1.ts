import { budgetUnitOf, type ChartSeries, curveChart } from './curve-chart.js';
import { palette } from './palette.js';
import { pictureCell, pictureDataUri } from './pictures.js';
import { figureLabel, type ReportData, type ReportModel } from './report-data.js';
import { fitText, svgDocument, svgFrame, svgPicture, svgText } from './svg.js';

const standardColour = palette[0] as string;
const robustColour = palette[1] as string;
const left = 112;
const chartHeight = 240;
const picture = 64;
/** Room for one picture and its captions. */
const column = 88;

/**
 * Figure 1.1: robust accuracy of a robust (orange) and a standard model (blue) over the budget, with targeted perturbations of one test
 * image at several budgets above and below; undefined where the data lack the image or the pictures of either model.
 */
export function figure11Svg({ models, dataset, figures }: ReportData): string | undefined {
  const swept = models.filter(({ sweep }) => sweep !== undefined);
  const standard = swept.find(({ recipe }) => recipe === 'standard');
  const others = swept.filter(({ recipe }) => recipe !== 'standard');
  const robust = others.find(({ collapse }) => !collapse.collapsed) ?? others[0];
  const { source } = figures;
  if (standard === undefined || robust === undefined || source === undefined) return undefined;
  const unit = budgetUnitOf(
    robust.profile.curve.map(({ epsilon }) => epsilon),
    dataset.norm,
  );
  const most = Math.max(robust.sweep?.budgets.length ?? 0, standard.sweep?.budgets.length ?? 0);
  const width = Math.max(640, most * column);
  const series = [series11(robust, robustColour), series11(standard, standardColour)];
  const from = dataset.classNames[source.label] ?? String(source.label);
  const to = dataset.classNames[source.target] ?? String(source.target);
  const row = { original: source.image, target: source.target, dataset, width, label: unit.label };
  const above = pictureRow(robust, { ...row, top: 66, colour: robustColour });
  const frame = { left, top: 66 + above.height + 30, width, height: chartHeight };
  const belowTop = frame.top + frame.height + 62;
  const below = pictureRow(standard, { ...row, top: belowTop, colour: standardColour });
  return svgDocument(left + width + 28, belowTop + below.height + 12, `Figure 1.1: from ${from} towards ${to}`, [
    svgText(16, 26, fitText(`Figure 1.1: one “${from}”, perturbed towards “${to}”`, left + width - 16, 15, true), {
      size: 15,
      bold: true,
    }),
    svgText(
      16,
      45,
      `Image ${source.sampleId} of the ${dataset.split} split, outlined; each budget attacked on its own; curves over ${dataset.samples} images, with 95 % Wilson intervals`,
      { size: 11, fill: 'soft' },
    ),
    ...above.body,
    ...curveChart(series, frame, dataset.trainingEpsilon, unit),
    ...below.body,
  ]);
}

function series11({ displayName, profile, collapse, sweep }: ReportModel, colour: string): ChartSeries {
  return {
    label: displayName,
    colour,
    dashed: collapse.collapsed,
    curve: profile.curve,
    marks: sweep?.budgets ?? [],
  };
}

interface PictureRow {
  readonly top: number;
  readonly colour: string;
  readonly original: Float32Array;
  readonly target: number;
  readonly dataset: ReportData['dataset'];
  readonly width: number;
  readonly label: (epsilon: number) => string;
}

function pictureRow(
  model: ReportModel,
  { top, colour, original, target, dataset, width, label }: PictureRow,
): { body: string[]; height: number } {
  const { sweep } = model;
  const cell = pictureCell(dataset, picture);
  const y = top + 44;
  const frame = { y, width: cell.width, height: cell.height };
  const body = [
    `<line x1="${left}" y1="${top + 8}" x2="${left + 26}" y2="${top + 8}" stroke="${colour}" stroke-width="3"/>`,
    svgText(left + 34, top + 12, fitText(figureLabel(model, dataset), width - 34, 12, true), { bold: true }),
    svgPicture(16, y, cell.width, cell.height, pictureDataUri(original, dataset, cell.scale)),
    svgFrame({ x: 16, ...frame }, { colour: '#000', width: 2.5, gap: 2, class: 'outline' }),
    svgText(16 + cell.width / 2, y - 9, 'original', { anchor: 'middle', size: 10, fill: 'soft' }),
  ];
  const budgets = sweep?.budgets ?? [];
  const step = width / Math.max(1, budgets.length);
  for (const [i, budget] of budgets.entries()) {
    const x = Math.round(left + i * step + (step - cell.width) / 2);
    const middle = x + cell.width / 2;
    const predicted = sweep?.predictions[i] ?? 0;
    const reached = predicted === target;
    const seen = dataset.classNames[predicted] ?? String(predicted);
    const room = Math.min(step, 140) - 6;
    body.push(
      svgText(middle, y - 9, `ε = ${label(budget)}`, { anchor: 'middle', size: 10, fill: 'soft' }),
      svgPicture(x, y, cell.width, cell.height, pictureDataUri(sweep?.images[i] as Float32Array, dataset, cell.scale)),
      svgFrame({ x, ...frame }, { colour, width: 2 }),
      svgText(middle, y + cell.height + 17, fitText(seen, room, 11, reached), {
        anchor: 'middle',
        size: 11,
        bold: reached,
      }),
      svgText(middle, y + cell.height + 30, `${Math.round((sweep?.confidences[i] ?? 0) * 100)} %`, {
        anchor: 'middle',
        size: 10,
        fill: 'soft',
      }),
    );
  }
  body.push(
    svgText(16, y + cell.height + 17, 'model says', { size: 10, fill: 'soft' }),
    svgText(16, y + cell.height + 30, 'confidence', { size: 10, fill: 'soft' }),
  );
  return { body, height: 44 + cell.height + 36 };
}
