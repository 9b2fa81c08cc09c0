import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { Chart, type Line } from './chart.js';
import { formatPercent, formatShortPercent } from './format.js';
import type { Points } from './job-history.js';
import { Card } from './parts.js';

interface Group {
  readonly title: string;
  readonly matches: (series: string) => boolean;
  readonly format?: (value: number) => string;
  readonly axisFormat?: (value: number) => string;
  readonly smooth: boolean;
}

const groups: readonly Group[] = [
  { title: 'Loss', matches: (series) => /loss/i.test(series), smooth: true },
  {
    title: 'Accuracy',
    matches: (series) => /accuracy/i.test(series),
    format: formatPercent,
    axisFormat: formatShortPercent,
    smooth: true,
  },
  { title: 'Learning rate', matches: (series) => /learning.?rate|(^|[/_.])lr$/i.test(series), smooth: false },
];

interface ChartPlan {
  readonly title: string;
  readonly lines: Line[];
  readonly format?: (value: number) => string;
  readonly axisFormat?: (value: number) => string;
  readonly smooth: boolean;
}

function plan(metrics: ReadonlyMap<string, Points>): ChartPlan[] {
  const charts = new Map<string, ChartPlan>();
  for (const [name, points] of metrics) {
    const group = groups.find((candidate) => candidate.matches(name));
    const title = group?.title ?? name;
    let chart = charts.get(title);
    if (chart === undefined) {
      chart = {
        title,
        lines: [],
        smooth: group?.smooth ?? true,
        ...(group?.format ? { format: group.format } : {}),
        ...(group?.axisFormat ? { axisFormat: group.axisFormat } : {}),
      };
      charts.set(title, chart);
    }
    chart.lines.push({ name, ...points });
  }
  const rank = (chart: ChartPlan): number => {
    const at = groups.findIndex((group) => group.title === chart.title);
    return at < 0 ? groups.length : at;
  };
  return [...charts.values()].sort((a, b) => rank(a) - rank(b) || (a.title < b.title ? -1 : 1));
}

/** The training curves: loss, accuracy, learning rate, and whatever else a job measures. */
export function MetricCharts({ metrics }: { readonly metrics: ReadonlyMap<string, Points> }): JSX.Element | null {
  const [smoothing, setSmoothing] = useState(0);
  const [logarithmic, setLogarithmic] = useState(false);
  if (metrics.size === 0) return null;
  const controls = (
    <div class="controls">
      <label>
        Smoothing
        <input
          type="range"
          min="0"
          max="0.99"
          step="0.01"
          value={smoothing}
          onInput={(event) => setSmoothing(Number(event.currentTarget.value))}
        />
        <output>{smoothing.toFixed(2)}</output>
      </label>
      <label>
        <input
          type="checkbox"
          checked={logarithmic}
          onChange={(event) => setLogarithmic(event.currentTarget.checked)}
        />
        Log scale
      </label>
    </div>
  );
  return (
    <Card title="Training curves" aside={controls}>
      <div class="charts">
        {plan(metrics).map((chart) => (
          <Chart
            key={chart.title}
            title={chart.title}
            xLabel="step"
            lines={chart.lines}
            smoothing={chart.smooth ? smoothing : 0}
            logarithmic={logarithmic && chart.title !== 'Accuracy'}
            {...(chart.format ? { format: chart.format } : {})}
            {...(chart.axisFormat ? { axisFormat: chart.axisFormat } : {})}
          />
        ))}
      </div>
    </Card>
  );
}
