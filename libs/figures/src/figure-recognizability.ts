import { type PictureRow, pictureGridSvg } from './picture-grid.js';
import type { ReportData } from './report-data.js';

/**
 * What test images had to become before each model was convinced of another class, one column per class, and what independent judges see in
 * that; undefined where no model's pictures were judged, or their first do not aim at every class in turn.
 */
export function figureRecognizabilitySvg({ models, dataset }: ReportData): string | undefined {
  const { classNames } = dataset;
  const length = dataset.height * dataset.width * dataset.channels;
  const firstOf = (images: Float32Array): Float32Array => images.subarray(0, classNames.length * length);
  const judged = models.flatMap(({ displayName, collapse, recognizability }) =>
    recognizability === undefined ? [] : [{ displayName, collapse, recognizability }],
  );
  const starts = judged[0]?.recognizability.pictures.starts;
  if (starts === undefined) return undefined;
  if (judged.some(({ recognizability }) => classNames.some((_, k) => recognizability.pictures.targets[k] !== k)))
    return undefined;
  const rows = judged.map(({ displayName, collapse, recognizability }): PictureRow => {
    const { pictures, readings, topOne } = recognizability;
    return {
      title: displayName,
      detail: collapse.collapsed ? 'collapsed' : `judges see ${Math.round(topOne.estimate * 100)} % of targets`,
      images: firstOf(pictures.images),
      captions: classNames.map((_, k) => {
        const reading = readings[k] as number;
        return { text: `${reading === k ? '✓' : '✗'} ${classNames[reading]}`, reached: reading === k };
      }),
    };
  });
  return pictureGridSvg(
    {
      title: 'Recognizability: what had to change to convince each model',
      notes: [
        'Every column begins from the same test image and aims at its class, without a budget, until the model itself is convinced.',
        'Below each picture: what independent judges see in it. ✓ the target, ✗ another class.',
      ],
      rows: [{ title: 'starts', detail: 'images of other classes', images: firstOf(starts) }, ...rows],
    },
    dataset,
  );
}
