import type { CurvePoint } from '@percept/measures';
import { gridIn255 } from './number-format.js';
import { fitText, round, svgText, textWidth } from './svg.js';

/** One curve of a chart. */
export interface ChartSeries {
  readonly label: string;
  readonly colour: string;
  readonly dashed: boolean;
  readonly curve: readonly CurvePoint[];
  /** A second curve of the same model, drawn thin and dotted. */
  readonly faint?: readonly CurvePoint[];
  /** Budgets to mark on the curve with a dot, where the grid has them. */
  readonly marks?: readonly number[];
}

/** Where a chart stands within its drawing. */
export interface ChartFrame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Draws robust accuracy over the budget: axes, 95 % bands, curves, the training budget, and a legend below. */
export function curveChart(
  series: readonly ChartSeries[],
  frame: ChartFrame,
  trainingEpsilon: number,
  budgetUnit: BudgetUnit,
): string[] {
  const last = Math.max(...series.flatMap(({ curve }) => curve.map(({ epsilon }) => epsilon)), 1e-9);
  const x = (epsilon: number): number => round(frame.left + (epsilon / last) * frame.width);
  const y = (accuracy: number): number => round(frame.top + (1 - accuracy) * frame.height);
  const body: string[] = [];
  for (let tenth = 0; tenth <= 10; tenth += 2) {
    const at = y(tenth / 10);
    body.push(
      `<line x1="${frame.left}" y1="${at}" x2="${frame.left + frame.width}" y2="${at}" class="rule" stroke="#e2e2e2"/>`,
    );
    body.push(svgText(frame.left - 8, at + 4, `${tenth * 10} %`, { anchor: 'end', size: 11 }));
  }
  for (const tick of budgetUnit.ticks(last)) {
    body.push(
      `<line x1="${x(tick)}" y1="${frame.top + frame.height}" x2="${x(tick)}" y2="${frame.top + frame.height + 4}" class="axis" stroke="#555"/>`,
    );
    body.push(svgText(x(tick), frame.top + frame.height + 18, budgetUnit.label(tick), { anchor: 'middle', size: 11 }));
  }
  if (trainingEpsilon > 0 && trainingEpsilon <= last * (1 + 1e-9)) {
    const at = x(trainingEpsilon);
    const label = `training budget ${budgetUnit.label(trainingEpsilon)}`;
    const reach = textWidth(label, 10) / 2;
    const middle = Math.min(Math.max(at, frame.left + reach), frame.left + frame.width - reach);
    body.push(
      `<line x1="${at}" y1="${frame.top - 3}" x2="${at}" y2="${frame.top + frame.height}" class="axis" stroke="#777" stroke-dasharray="2 3"/>`,
      svgText(middle, frame.top - 9, label, { size: 10, fill: 'soft', anchor: 'middle' }),
    );
  }
  for (const { curve, colour } of series) {
    const upper = curve.map(({ epsilon, accuracy }) => `${x(epsilon)},${y(accuracy.upper)}`);
    const lower = curve.map(({ epsilon, accuracy }) => `${x(epsilon)},${y(accuracy.lower)}`).reverse();
    body.push(`<polygon points="${[...upper, ...lower].join(' ')}" fill="${colour}" fill-opacity="0.12"/>`);
  }
  for (const { faint = [], colour } of series) {
    if (faint.length === 0) continue;
    const points = faint.map(({ epsilon, accuracy }) => `${x(epsilon)},${y(accuracy.estimate)}`).join(' ');
    body.push(
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="1.25" stroke-dasharray="1.5 3" stroke-linecap="round"/>`,
    );
  }
  for (const { curve, colour, dashed } of series) {
    const points = curve.map(({ epsilon, accuracy }) => `${x(epsilon)},${y(accuracy.estimate)}`).join(' ');
    body.push(
      `<polyline points="${points}" fill="none" stroke="${colour}" stroke-width="2.25" stroke-linejoin="round"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`,
    );
  }
  for (const { curve, colour, marks = [] } of series) {
    for (const { epsilon, accuracy } of curve) {
      if (marks.some((mark) => Math.abs(mark - epsilon) <= 1e-9))
        body.push(
          `<circle cx="${x(epsilon)}" cy="${y(accuracy.estimate)}" r="3.5" class="dot" fill="${colour}" stroke="#fff" stroke-width="1.25"/>`,
        );
    }
  }
  body.push(
    `<path d="M${frame.left} ${frame.top}V${frame.top + frame.height}H${frame.left + frame.width}" fill="none" class="axis" stroke="#555"/>`,
    svgText(frame.left + frame.width / 2, frame.top + frame.height + 38, budgetUnit.title, { anchor: 'middle' }),
    svgText(frame.left - 46, frame.top + frame.height / 2, 'robust accuracy', { anchor: 'middle', rotate: -90 }),
  );
  return body;
}

/** A legend of one entry per series, in as many columns below a chart as the labels leave room for; answers with the drawing and its height. */
export function chartLegend(
  series: readonly ChartSeries[],
  left: number,
  top: number,
  width: number,
): { body: string[]; height: number } {
  const size = 12;
  const swatch = 34;
  const widest = Math.max(0, ...series.map(({ label }) => textWidth(label, size)));
  const columns = Math.min(4, Math.max(1, Math.floor((width + 20) / (swatch + widest + 20))));
  const columnWidth = width / columns;
  const rows = Math.ceil(series.length / columns);
  const body = series.flatMap(({ label, colour, dashed }, i) => {
    const x = left + Math.floor(i / rows) * columnWidth;
    const y = top + (i % rows) * 20;
    return [
      `<line x1="${round(x)}" y1="${y}" x2="${round(x + 26)}" y2="${y}" stroke="${colour}" stroke-width="3"${dashed ? ' stroke-dasharray="6 4"' : ''}/>`,
      svgText(x + swatch, y + 4, fitText(label, width - swatch, size), { size }),
    ];
  });
  return { body, height: rows * 20 };
}

/** How budgets are written on an axis. */
export interface BudgetUnit {
  readonly title: string;
  ticks(last: number): number[];
  label(epsilon: number): string;
}

/** Budgets in 255ths where the grid is made of them, in plain numbers elsewhere. */
export function budgetUnitOf(grid: readonly number[], norm: number): BudgetUnit {
  const in255 = gridIn255(grid);
  const scale = in255 ? 255 : 1;
  const ball = norm === Number.POSITIVE_INFINITY ? 'l∞' : `l${norm}`;
  return {
    title: `perturbation budget ε in the ${ball} norm${in255 ? ', in 255ths' : ''}`,
    ticks: (last) => {
      const wanted = (last * scale) / 8;
      const step =
        [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50].find((size) => size >= wanted - 1e-9) ?? wanted;
      return Array.from({ length: Math.floor((last * scale) / step + 1e-9) + 1 }, (_, i) => (i * step) / scale);
    },
    label: (epsilon) => String(Number((epsilon * scale).toFixed(3))),
  };
}
