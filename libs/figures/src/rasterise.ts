import { fileURLToPath } from 'node:url';
import { Resvg } from '@resvg/resvg-js';

const fontFiles = ['DejaVuSans', 'DejaVuSans-Bold'].map((name) =>
  fileURLToPath(import.meta.resolve(`dejavu-fonts-ttf/ttf/${name}.ttf`)),
);

/** How many pixels of a PNG stand for one of its SVG, in each direction. */
export const rasterScale = 2;

/** Draws an SVG as PNG at twice its size, with fonts of its own, so that it looks the same on every machine. */
export async function rasterise(svg: string): Promise<Uint8Array> {
  const drawing = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: rasterScale },
    font: { fontFiles, loadSystemFonts: false, defaultFontFamily: 'DejaVu Sans' },
    imageRendering: 1,
  });
  return drawing.render().asPng();
}
