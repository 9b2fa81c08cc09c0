import { formatTable } from './table.js';

/** What the closing table shows of report.json. */
export interface ReportSummary {
  readonly dataset: { readonly samples: number; readonly trainingEpsilon: number };
  readonly models: readonly {
    readonly displayName: string;
    readonly profile: {
      readonly curve: readonly { readonly epsilon: number; readonly accuracy: { readonly estimate: number } }[];
    };
    readonly collapse: { readonly collapsed: boolean; readonly topClass: number };
  }[];
}

/** The closing table: every model's accuracy on unchanged and on attacked images, and under it what the columns mean. */
export function formatSummary({ dataset, models }: ReportSummary): string {
  const { samples, trainingEpsilon } = dataset;
  const percent = (share: number | undefined): string =>
    share === undefined ? '' : `${(share * 100).toFixed(1)} %`.padStart(7);
  const table = formatTable(
    ['model', '  clean', 'attacked', ''],
    models.map(({ displayName, profile, collapse }) => [
      displayName,
      percent(profile.curve[0]?.accuracy.estimate),
      percent(profile.curve.find(({ epsilon }) => Math.abs(epsilon - trainingEpsilon) < 1e-9)?.accuracy.estimate),
      collapse.collapsed ? `collapsed: answers class ${collapse.topClass} to almost everything` : '',
    ]),
  );
  return `${table}

clean: share of the ${samples.toLocaleString('en')} test images that the model gets right
attacked: share it still gets right when an attack may change every pixel by up to ${trainingEpsilon.toFixed(3)} (black is 0, white is 1)`;
}
