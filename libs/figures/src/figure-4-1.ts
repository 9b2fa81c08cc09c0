import { budgetUnitOf, type ChartSeries, chartLegend, curveChart } from './curve-chart.js';
import { modelColours } from './palette.js';
import { figureLabel, type ReportData } from './report-data.js';
import { svgDocument, svgText } from './svg.js';

/** Figure 4.1: the robust-accuracy profiles of all models with 95 % bands; collapsed models grey and dashed. */
export function figure41Svg({ models, dataset }: ReportData): string {
  const colours = modelColours(models);
  const series = models.map(
    (model, i): ChartSeries => ({
      label: figureLabel(model, dataset),
      colour: colours[i] as string,
      dashed: model.collapse.collapsed,
      curve: model.profile.curve,
      ...(model.profile.eightBit ? { faint: model.profile.eightBit } : {}),
    }),
  );
  const grid = models.flatMap(({ profile }) => profile.curve.map(({ epsilon }) => epsilon));
  const frame = { left: 72, top: 82, width: 700, height: 360 };
  const legend = chartLegend(series, frame.left, frame.top + frame.height + 64, frame.width);
  return svgDocument(800, frame.top + frame.height + 66 + legend.height, 'Figure 4.1: robust accuracy profiles', [
    svgText(16, 26, 'Figure 4.1: robust accuracy profiles', { size: 15, bold: true }),
    svgText(
      16,
      45,
      `${dataset.samples} images of the ${dataset.split} split; bands are 95 % Wilson intervals${models.some(({ profile }) => profile.eightBit) ? '; thin dots: attacks that survive 8 bits' : ''}`,
      {
        size: 11,
        fill: 'soft',
      },
    ),
    ...curveChart(series, frame, dataset.trainingEpsilon, budgetUnitOf(grid, dataset.norm)),
    ...legend.body,
  ]);
}
