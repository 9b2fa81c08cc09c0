import { canonicalJson } from './canonical-json.js';
import { figure11 } from './figure-1-1.js';
import { figure41 } from './figure-4-1.js';
import { figure42 } from './figure-4-2.js';
import { rasterise } from './rasterise.js';
import type { ReportData } from './report-data.js';
import { reportPage } from './report-page.js';

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
    { name: 'report.json', mediaType: 'application/json', bytes: canonicalJson(data) },
    text('report.html', 'text/html', reportPage(data)),
  ];
  const figures = { 'figure-1-1': figure11(data), 'figure-4-1': figure41(data), 'figure-4-2': figure42(data) };
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
