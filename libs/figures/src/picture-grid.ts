import { pictureCell, pictureDataUri } from './pictures.js';
import type { ReportDataset } from './report-data.js';
import { fitText, svgDocument, svgFrame, svgPicture, svgText, textWidth } from './svg.js';

/** One row of a grid of pictures. */
export interface PictureRow {
  readonly title: string;
  readonly detail: string;
  /** One image per column: flattened NHWC float32 in [0, 1]. */
  readonly images: Float32Array;
  /** What is said of each picture, and whether it reached what the figure asks for; absent where nothing was asked. */
  readonly captions?: readonly { readonly text: string; readonly reached: boolean }[];
}

/** A figure of pictures: models down, classes across. */
export interface PictureGrid {
  readonly title: string;
  /** Lines below the title. */
  readonly notes: readonly string[];
  readonly rows: readonly PictureRow[];
}

const gap = 10;
const captionHeight = 16;
const margin = 16;
const titleSize = 12;
const detailSize = 10;
const widestLabel = 250;
const reachedColour = '#009e73';
const missedColour = '#d55e00';

/** Draws rows of pictures under the names of the dataset's classes, rows lettered from (a), each caption and frame coloured by whether it was reached. */
export function pictureGridSvg({ title, notes, rows }: PictureGrid, dataset: ReportDataset): string {
  const cell = pictureCell(dataset, 64);
  const values = dataset.height * dataset.width * dataset.channels;
  const titles = rows.map((row, index) => `(${rowLetter(index)}) ${row.title}`);
  const labels = Math.min(
    widestLabel,
    Math.max(
      110,
      ...titles.map((text) => textWidth(text, titleSize, true)),
      ...rows.map(({ detail }) => textWidth(detail, detailSize)),
    ),
  );
  const x = (column: number): number => margin + Math.ceil(labels) + 14 + column * (cell.width + gap);
  const fitting = (text: string, size: number): string => fitText(text, cell.width + gap - 2, size);
  const top = 62 + 15 * notes.length;
  const body: string[] = [
    svgText(margin, 26, title, { size: 15, bold: true }),
    ...notes.map((note, line) => svgText(margin, 45 + 15 * line, note, { size: 11, fill: 'soft' })),
    ...dataset.classNames.map((name, column) =>
      svgText(x(column) + cell.width / 2, top - 8, fitting(name, 11), { anchor: 'middle', size: 11 }),
    ),
  ];
  let y = top;
  for (const [index, { detail, images, captions }] of rows.entries()) {
    body.push(
      svgText(margin, y + cell.height / 2 - 1, fitText(titles[index] as string, labels, titleSize, true), {
        bold: true,
      }),
      svgText(margin, y + cell.height / 2 + 14, fitText(detail, labels, detailSize), {
        size: detailSize,
        fill: 'soft',
      }),
    );
    for (const column of dataset.classNames.keys()) {
      const image = images.subarray(column * values, (column + 1) * values);
      const place = { x: x(column), y, width: cell.width, height: cell.height };
      body.push(svgPicture(place.x, y, cell.width, cell.height, pictureDataUri(image, dataset, cell.scale)));
      const caption = captions?.[column];
      if (caption === undefined) continue;
      body.push(
        svgFrame(place, { colour: caption.reached ? reachedColour : missedColour, width: 2 }),
        svgText(place.x + cell.width / 2, y + cell.height + 14, fitting(caption.text, detailSize), {
          anchor: 'middle',
          size: detailSize,
          fill: caption.reached ? 'good' : 'bad',
        }),
      );
    }
    y += cell.height + gap + (captions === undefined ? 0 : captionHeight);
  }
  return svgDocument(Math.max(640, x(dataset.classNames.length) + 6), y + 6, title, body);
}

/** a to z, then aa and so on. */
function rowLetter(index: number): string {
  const last = String.fromCharCode(97 + (index % 26));
  return index < 26 ? last : rowLetter(Math.floor(index / 26) - 1) + last;
}
