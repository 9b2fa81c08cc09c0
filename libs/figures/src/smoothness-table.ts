import type { Smoothness } from '@percept/measures';
import type { ReportArtifact } from './report-artifacts.js';

/** One model's smoothness per sample, with the local Lipschitz bounds in the same order. */
export interface SmoothnessRows {
  readonly name: string;
  readonly smoothness: Smoothness & { readonly localLipschitz: Float64Array };
}

const columns = [
  'lossGradientDualNorm',
  'fimFrobeniusSquared',
  'fimLargestEigenvalue',
  'fimTwoInfinitySquared',
  'jacobianFrobeniusSquared',
  'jacobianSpectralNorm',
] as const;

/** smoothness.csv: every model's smoothness quantities, one row per sample in the order measured; no file where nothing was measured. */
export function smoothnessTable(models: readonly SmoothnessRows[]): ReportArtifact[] {
  if (models.length === 0) return [];
  const head = [
    'model',
    'sample',
    ...columns,
    'localLipschitz',
    'fimFrobeniusSquaredProjected',
    'fimLargestEigenvalueIterated',
  ];
  const rows = models.flatMap(({ name, smoothness }) =>
    smoothness.samples.map((sample, i) => {
      const estimate = smoothness.estimates?.samples[i];
      return [
        quoted(name),
        i,
        ...columns.map((column) => sample[column]),
        smoothness.localLipschitz[i] ?? '',
        estimate?.fimFrobeniusSquared ?? '',
        estimate?.fimLargestEigenvalue ?? '',
      ].join(',');
    }),
  );
  const bytes = new TextEncoder().encode(`${[head.join(','), ...rows].join('\n')}\n`);
  return [{ name: 'smoothness.csv', mediaType: 'text/csv', bytes }];
}

function quoted(text: string): string {
  return `"${text.replaceAll('"', '""')}"`;
}
