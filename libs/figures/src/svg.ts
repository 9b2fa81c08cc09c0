/** Escapes text for SVG and HTML. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Okabe and Ito's colours, which people with every kind of colour vision can tell apart. */
export const palette: readonly string[] = [
  '#0072b2',
  '#d55e00',
  '#009e73',
  '#cc79a7',
  '#e69f00',
  '#56b4e9',
  '#8c6d1f',
  '#5b3a8e',
];

const font = 'font-family="DejaVu Sans, Verdana, sans-serif"';

/** A text element. */
export function svgText(
  x: number,
  y: number,
  text: string,
  options: { size?: number; anchor?: string; fill?: string; rotate?: number; bold?: boolean } = {},
): string {
  const { size = 12, anchor = 'start', fill = '#222', rotate, bold } = options;
  const turn = rotate === undefined ? '' : ` transform="rotate(${rotate} ${x} ${y})"`;
  return `<text x="${x}" y="${y}" font-size="${size}" ${font} text-anchor="${anchor}" fill="${fill}"${bold ? ' font-weight="bold"' : ''}${turn}>${escapeText(text)}</text>`;
}

/** A whole drawing on white. */
export function svgDocument(width: number, height: number, title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...body,
    '</svg>',
  ].join('\n');
}

/** A pixel image, enlarged without smoothing. */
export function svgPicture(
  x: number,
  y: number,
  width: number,
  height: number,
  uri: string,
  stroke?: { colour: string; width: number },
): string {
  const image = `<image x="${x}" y="${y}" width="${width}" height="${height}" href="${uri}" preserveAspectRatio="none" style="image-rendering:pixelated"/>`;
  if (stroke === undefined) return image;
  return `${image}<rect x="${x}" y="${y}" width="${width}" height="${height}" fill="none" stroke="${stroke.colour}" stroke-width="${stroke.width}"/>`;
}
