import { budgetUnitOf, type ChartSeries, chartLegend, curveChart } from './curve-chart.js';
import type { ReportData } from './report-data.js';
import { palette, svgDocument, svgText } from './svg.js';

/** Figure 4.1: the robust-accuracy profiles of all models with 95 % bands; collapsed models grey and dashed. */
export function figure41({ models, dataset }: ReportData): string {
  let next = 0;
  const series = models.map(
    ({ displayName, collapse, profile }): ChartSeries => ({
      label: collapse.collapsed
        ? `${displayName} (collapsed to "${dataset.classNames[collapse.topClass]}")`
        : displayName,
      colour: collapse.collapsed ? '#8a8a8a' : (palette[next++ % palette.length] as string),
      dashed: collapse.collapsed,
      curve: profile.curve,
    }),
  );
  const grid = models[0]?.profile.curve.map(({ epsilon }) => epsilon) ?? [0];
  const frame = { left: 70, top: 46, width: 700, height: 360 };
  const legend = chartLegend(series, frame.left, frame.top + frame.height + 64, frame.width);
  return svgDocument(800, frame.top + frame.height + 70 + legend.height, 'Figure 4.1: robust accuracy profiles', [
    svgText(frame.left, 24, 'Figure 4.1: robust accuracy profiles', { size: 15, bold: true }),
    svgText(frame.left + frame.width, 24, `${dataset.samples} ${dataset.split} images, 95 % Wilson intervals`, {
      size: 11,
      anchor: 'end',
      fill: '#555',
    }),
    ...curveChart(series, frame, dataset.trainingEpsilon, budgetUnitOf(grid, dataset.norm)),
    ...legend.body,
  ]);
}
