import { figure11Svg } from './figure-1-1.js';
import { figure41Svg } from './figure-4-1.js';
import { figure42Svg } from './figure-4-2.js';
import { figureRecognizabilitySvg } from './figure-recognizability.js';
import { rasterise } from './rasterise.js';
import type { ReportData } from './report-data.js';
import { reportJson } from './report-json.js';
import { renderReport } from './report-page.js';

/** A file of a report. */
export interface ReportArtifact {
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

/** Every file of a report: the page, the canonical JSON, and the figures as SVG and PNG. Equal data gives equal bytes. */
export async function reportArtifacts(data: ReportData): Promise<ReportArtifact[]> {
  const text = (name: string, mediaType: string, content: string): ReportArtifact => ({
    name,
    mediaType,
    bytes: new TextEncoder().encode(content),
  });
  const artifacts: ReportArtifact[] = [
    { name: 'report.json', mediaType: 'application/json', bytes: reportJson(data) },
    text('report.html', 'text/html', renderReport(data).html),
  ];
  const figures = {
    'figure-1-1': figure11Svg(data),
    'figure-4-1': figure41Svg(data),
    'figure-4-2': figure42Svg(data),
    'figure-recognizability': figureRecognizabilitySvg(data),
  };
  for (const [name, svg] of Object.entries(figures)) {
    if (svg === undefined) continue;
    artifacts.push(text(`figures/${name}.svg`, 'image/svg+xml', svg), {
      name: `figures/${name}.png`,
      mediaType: 'image/png',
      bytes: await rasterise(svg),
    });
  }
  return artifacts;
}
