import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import { formatNumber } from './format.js';
import type { Points } from './job-history.js';
import { smooth } from './smooth.js';

/** One line of a chart. */
export interface Line extends Points {
  readonly name: string;
}

interface ChartProps {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly xLabel: string;
  readonly smoothing?: number;
  readonly logarithmic?: boolean;
  readonly dots?: boolean;
  readonly range?: readonly [number, number];
  readonly format?: (value: number) => string;
  readonly axisFormat?: (value: number) => string;
}

const colours = 10;
const height = 230;

function cssColour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function useDarkMode(): boolean {
  const [dark, setDark] = useState(() => matchMedia('(prefers-color-scheme: dark)').matches);
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)');
    const follow = (): void => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => query.removeEventListener('change', follow);
  }, []);
  return dark;
}

/** Puts all lines on one x axis; with smoothing, every line comes twice: as it is, and smoothed. */
function alignedData(props: ChartProps): uPlot.AlignedData {
  const shown = (values: readonly number[]): (number | null)[] =>
    values.map((value) => (Number.isFinite(value) && !(props.logarithmic && value <= 0) ? value : null));
  const tables = props.lines.map((line): uPlot.AlignedData => {
    const rows = [shown(line.ys)];
    if (props.smoothing) rows.push(shown(smooth(line.ys, props.smoothing)));
    return [[...line.xs], ...rows];
  });
  return tables.length === 0 ? [[]] : uPlot.join(tables);
}

/** A single point gets some room beside it; uPlot's own choice would be a span of 100. */
function xRange(_: uPlot, least: number | null, most: number | null): uPlot.Range.MinMax {
  if (least === null || most === null) return [0, 1];
  if (least < most) return [least, most];
  const room = Math.abs(least) > 0 ? 0.1 * Math.abs(least) : 0.1;
  return [least, most + room];
}

function seriesOf(props: ChartProps): uPlot.Series[] {
  const series: uPlot.Series[] = [{}];
  const format = props.format ?? formatNumber;
  props.lines.forEach((line, index) => {
    const stroke = cssColour(`--series-${index % colours}`);
    const base: uPlot.Series = {
      label: line.name,
      stroke,
      width: 2,
      spanGaps: true,
      points: { show: props.dots ?? false, size: 6, fill: stroke },
      value: (_, value) => (value === null ? '–' : format(value)),
    };
    if (props.smoothing) series.push({ ...base, stroke: `${stroke}55`, width: 1, points: { show: false } });
    series.push(base);
  });
  return series;
}

function optionsOf(props: ChartProps, width: number): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: cssColour('--muted'),
    grid: { stroke: cssColour('--grid'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  const axisFormat = props.axisFormat ?? formatNumber;
  const range = props.range;
  return {
    width,
    height,
    legend: { show: false },
    cursor: { y: false, drag: { x: true, y: false } },
    scales: {
      x: { time: false, range: xRange },
      y: props.logarithmic ? { distr: 3 } : range ? { range: [range[0], range[1]] } : {},
    },
    axes: [
      { ...axis, size: 30, values: (_, ticks) => ticks.map((tick) => formatNumber(tick)) },
      {
        ...axis,
        size: 58,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? '' : axisFormat(tick))),
      },
    ],
    series: seriesOf(props),
  };
}

/** A chart of lines over a common x axis, with a legend that tells the values under the pointer, or else the last ones. */
export function Chart(props: ChartProps): JSX.Element {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [under, setUnder] = useState<number | null>(null);
  const dark = useDarkMode();
  const data = alignedData(props);
  const shape = JSON.stringify([
    props.lines.map((line) => line.name),
    props.smoothing !== undefined && props.smoothing > 0,
    props.logarithmic,
    props.dots,
    dark,
  ]);

  // The plot is built anew only when its shape changes; new data alone go into the plot that stands.
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const options = optionsOf(props, Math.max(200, element.clientWidth));
    const built = new uPlot(
      { ...options, hooks: { setCursor: [(self) => setUnder(self.cursor.idx ?? null)] } },
      data,
      element,
    );
    plot.current = built;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      if (width > 0 && width !== built.width) built.setSize({ width, height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      built.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => {
    plot.current?.setData(data);
  });

  const format = props.format ?? formatNumber;
  const stride = props.smoothing ? 2 : 1;
  const xAt = under === null ? null : data[0]?.[under];
  return (
    <figure class="chart">
      <figcaption>
        <span class="chart-title">{props.title}</span>
        <span class="muted">
          {props.xLabel}
          {typeof xAt === 'number' ? ` ${formatNumber(xAt)}` : ''}
        </span>
      </figcaption>
      <div ref={place} class="plot" role="img" aria-label={`${props.title} by ${props.xLabel}`} />
      <ul class="legend">
        {props.lines.map((line, index) => {
          const column = data[1 + index * stride + (stride - 1)];
          const value = under === null ? line.ys.at(-1) : column?.[under];
          return (
            <li key={line.name}>
              <i class={`swatch series-${index % colours}`} />
              {line.name} <b class="legend-value">{typeof value === 'number' ? format(value) : '–'}</b>
            </li>
          );
        })}
      </ul>
    </figure>
  );
}
