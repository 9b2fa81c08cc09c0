import { pictureDataUri } from './pictures.js';
import type { ReportData } from './report-data.js';
import { svgDocument, svgPicture, svgText } from './svg.js';

const cell = 56;
const gap = 6;
const labels = 170;
const right = '#009e73';
const wrong = '#d55e00';

/** Figure 4.2: targeted perturbations without a budget, from the same noise for every model, one column per class. */
export function figure42({ models, dataset, figures }: ReportData): string | undefined {
  const shown = models.filter(({ strip }) => strip !== undefined);
  if (figures.starts === undefined || shown.length === 0) return undefined;
  const size = dataset.height * dataset.width * dataset.channels;
  const columns = dataset.classNames.length;
  const picture = (images: Float32Array, column: number): string =>
    pictureDataUri(images.subarray(column * size, (column + 1) * size), dataset);
  const x = (column: number): number => labels + column * (cell + gap);
  const body: string[] = [
    svgText(16, 24, 'Figure 4.2: targeted perturbations without a budget', { size: 15, bold: true }),
    svgText(16, 42, 'Same start in each column; frame: the model is sure of the target (green) or not (red)', {
      size: 11,
      fill: '#555',
    }),
  ];
  const top = 72;
  for (const [column, name] of dataset.classNames.entries()) {
    body.push(svgText(x(column) + cell / 2, top - 8, name, { anchor: 'middle', size: 11 }));
  }
  const row = (index: number, title: string): number => {
    const y = top + index * (cell + gap);
    body.push(svgText(16, y + cell / 2 + 4, title, { size: 12 }));
    return y;
  };
  const startRow = row(0, '(a) starts');
  for (let column = 0; column < columns; column++)
    body.push(svgPicture(x(column), startRow, cell, cell, picture(figures.starts, column)));
  for (const [i, model] of shown.entries()) {
    const y = row(i + 1, `(${String.fromCharCode(98 + i)}) ${model.displayName}`);
    for (let column = 0; column < columns; column++) {
      const sure = model.strip?.success[column] === 1;
      body.push(
        svgPicture(x(column), y, cell, cell, picture(model.strip?.images as Float32Array, column), {
          colour: sure ? right : wrong,
          width: 2,
        }),
      );
    }
  }
  return svgDocument(
    labels + columns * (cell + gap) + 16,
    top + (shown.length + 1) * (cell + gap) + 14,
    'Figure 4.2: targeted perturbations',
    body,
  );
}
