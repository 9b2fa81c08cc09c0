import { pictureGridSvg } from './picture-grid.js';
import type { ReportData, ReportModel } from './report-data.js';

/**
 * Figure 4.2: targeted perturbations without a budget, from the same start for every model, one column per class; undefined where the
 * data lack starts or strips.
 */
export function figure42Svg({ models, dataset, figures }: ReportData): string | undefined {
  const rows = models.flatMap((model) => {
    const { strip } = model;
    if (strip === undefined) return [];
    const captions = dataset.classNames.map((_, column) => {
      const reached = strip.success[column] === 1;
      return { reached, text: `${reached ? '✓' : '✗'} ${Math.round((strip.confidence[column] ?? 0) * 100)} %` };
    });
    return [{ title: model.displayName, detail: rowDetail(model), images: strip.images, captions }];
  });
  const { starts } = figures;
  if (starts === undefined || rows.length === 0) return undefined;
  return pictureGridSvg(
    {
      title: 'Figure 4.2: targeted perturbations without a budget',
      notes: [
        'Every column begins from the same start and aims at its class.',
        'Below each picture: ✓ the model predicts the target, ✗ it does not, and its confidence in it.',
      ],
      rows: [{ title: 'starts', detail: 'noise around the mean', images: starts }, ...rows],
    },
    dataset,
  );
}

function rowDetail({ recipe, preset, collapse, recognizability }: ReportModel): string {
  if (collapse.collapsed) return 'collapsed';
  if (recognizability?.strip !== undefined)
    return `judges see ${Math.round(recognizability.strip.topOne.estimate * 100)} % of targets`;
  return preset === '' ? recipe : `${recipe}, ${preset}`;
}
