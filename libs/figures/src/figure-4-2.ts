import { pictureCell, pictureDataUri } from './pictures.js';
import type { ReportData, ReportModel } from './report-data.js';
import { fitText, svgDocument, svgFrame, svgPicture, svgText, textWidth } from './svg.js';

const gap = 10;
const captionHeight = 16;
const hit = '#009e73';
const miss = '#d55e00';

/**
 * Figure 4.2: targeted perturbations without a budget, from the same start for every model, one column per class; undefined where the
 * data lack starts or strips.
 */
export function figure42Svg({ models, dataset, figures }: ReportData): string | undefined {
  const shown = models.filter(({ strip }) => strip !== undefined);
  const { starts } = figures;
  if (starts === undefined || shown.length === 0) return undefined;
  const cell = pictureCell(dataset, 64);
  const values = dataset.height * dataset.width * dataset.channels;
  const columns = dataset.classNames.length;
  const labels = Math.min(250, Math.max(110, ...shown.map((model) => textWidth(rowTitle(model, 0), 12, true))));
  const x = (column: number): number => 16 + Math.ceil(labels) + 14 + column * (cell.width + gap);
  const picture = (images: Float32Array, column: number, y: number): string =>
    svgPicture(
      x(column),
      y,
      cell.width,
      cell.height,
      pictureDataUri(images.subarray(column * values, (column + 1) * values), dataset, cell.scale),
    );
  const top = 92;
  const body: string[] = [
    svgText(16, 26, 'Figure 4.2: targeted perturbations without a budget', { size: 15, bold: true }),
    svgText(16, 45, 'Every column begins from the same start and aims at its class.', { size: 11, fill: 'soft' }),
    svgText(16, 60, 'Below each picture: ✓ the model predicts the target, ✗ it does not, and its confidence in it.', {
      size: 11,
      fill: 'soft',
    }),
  ];
  for (const [column, name] of dataset.classNames.entries())
    body.push(
      svgText(x(column) + cell.width / 2, top - 8, fitText(name, cell.width + gap - 2, 11), {
        anchor: 'middle',
        size: 11,
      }),
    );
  const label = (y: number, title: string, detail: string): void => {
    body.push(
      svgText(16, y + cell.height / 2 - 1, fitText(title, labels, 12, true), { bold: true }),
      svgText(16, y + cell.height / 2 + 14, fitText(detail, labels, 10), { size: 10, fill: 'soft' }),
    );
  };
  label(top, '(a) starts', 'noise around the mean');
  for (let column = 0; column < columns; column++) body.push(picture(starts, column, top));
  let y = top + cell.height + gap;
  for (const [i, model] of shown.entries()) {
    label(y, rowTitle(model, i), rowDetail(model));
    for (let column = 0; column < columns; column++) {
      const reached = model.strip?.success[column] === 1;
      const colour = reached ? hit : miss;
      const confidence = Math.round((model.strip?.confidence[column] ?? 0) * 100);
      body.push(
        picture(model.strip?.images as Float32Array, column, y),
        svgFrame({ x: x(column), y, width: cell.width, height: cell.height }, { colour, width: 2 }),
        svgText(x(column) + cell.width / 2, y + cell.height + 14, `${reached ? '✓' : '✗'} ${confidence} %`, {
          anchor: 'middle',
          size: 10,
          fill: reached ? 'good' : 'bad',
        }),
      );
    }
    y += cell.height + captionHeight + gap;
  }
  return svgDocument(Math.max(640, x(columns) + 6), y + 6, 'Figure 4.2: targeted perturbations', body);
}

function rowTitle({ displayName }: ReportModel, index: number): string {
  return `(${rowLetter(index + 1)}) ${displayName}`;
}

/** a to z, then aa and so on. */
function rowLetter(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : rowLetter(Math.floor(index / 26) - 1) + last;
}

function rowDetail({ recipe, preset, collapse, recognizability }: ReportModel): string {
  const trained = preset === '' ? recipe : `${recipe}, ${preset}`;
  if (collapse.collapsed) return `${trained}, collapsed`;
  return recognizability?.strip === undefined
    ? trained
    : `judges see ${Math.round(recognizability.strip.topOne.estimate * 100)} % of targets`;
}
