/** Escapes text for SVG and HTML, leaving out the control characters that XML forbids. */
export function escapeText(text: string): string {
  return text.replace(forbidden, '').replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: XML 1.0 has no way to write these characters.
const forbidden = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g;

const font = 'font-family="DejaVu Sans, Verdana, sans-serif"';

/** The part of a drawing that a text belongs to: pages recolour these classes for dark screens. */
export type Ink = 'ink' | 'soft' | 'good' | 'bad';

const inks: Readonly<Record<Ink, string>> = { ink: '#222', soft: '#5c5c5c', good: '#00704f', bad: '#a83800' };

/** How a text is set. */
export interface TextOptions {
  readonly size?: number;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** A named ink, or a colour of its own. */
  readonly fill?: Ink | `#${string}`;
  readonly rotate?: number;
  readonly bold?: boolean;
}

/** A text element whose baseline stands at (x, y). */
export function svgText(x: number, y: number, text: string, options: TextOptions = {}): string {
  const { size = 12, anchor = 'start', fill = 'ink', rotate, bold } = options;
  const ink = isInk(fill) ? `class="${fill}" fill="${inks[fill]}"` : `fill="${fill}"`;
  const turn = rotate === undefined ? '' : ` transform="rotate(${rotate} ${round(x)} ${round(y)})"`;
  return `<text x="${round(x)}" y="${round(y)}" font-size="${size}" ${font} text-anchor="${anchor}" ${ink}${bold ? ' font-weight="bold"' : ''}${turn}>${escapeText(text)}</text>`;
}

function isInk(fill: string): fill is Ink {
  return Object.hasOwn(inks, fill);
}

/** A whole drawing on white. */
export function svgDocument(width: number, height: number, title: string, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `<title>${escapeText(title)}</title>`,
    `<rect class="paper" width="${width}" height="${height}" fill="#fff"/>`,
    ...body,
    '</svg>',
  ].join('\n');
}

/** An embedded picture. */
export function svgPicture(x: number, y: number, width: number, height: number, uri: string): string {
  return `<image x="${round(x)}" y="${round(y)}" width="${width}" height="${height}" href="${uri}" preserveAspectRatio="none"/>`;
}

/** A frame around a rectangle, its stroke lying `gap` pixels outside. */
export function svgFrame(
  { x, y, width, height }: { x: number; y: number; width: number; height: number },
  stroke: { readonly colour: string; readonly width: number; readonly gap?: number; readonly class?: string },
): string {
  const out = (stroke.gap ?? 0) + stroke.width / 2;
  return `<rect${stroke.class ? ` class="${stroke.class}"` : ''} x="${round(x - out)}" y="${round(y - out)}" width="${round(width + 2 * out)}" height="${round(height + 2 * out)}" fill="none" stroke="${stroke.colour}" stroke-width="${stroke.width}"/>`;
}

/** A generous estimate of a text's width in DejaVu Sans, in pixels: layouts that keep to it do not overlap. */
export function textWidth(text: string, size: number, bold = false): number {
  let em = 0;
  for (const character of text) em += narrow.has(character) ? 0.36 : wide.test(character) ? 0.9 : 0.62;
  return em * size * (bold ? 1.12 : 1);
}

const narrow = new Set(" .,:;!|'()[]ijlI1-rtf");
const wide = /[mwMW%@\u2e80-\uffff]/;

/** A text cut to a width in pixels, an ellipsis in place of what is left out. */
export function fitText(text: string, width: number, size: number, bold = false): string {
  if (textWidth(text, size, bold) <= width) return text;
  const characters = [...text];
  while (characters.length > 1 && textWidth(`${characters.join('')}…`, size, bold) > width) characters.pop();
  return `${characters.join('').trimEnd()}…`;
}

/** Coordinates to a hundredth of a pixel, so that drawings stay small. */
export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
