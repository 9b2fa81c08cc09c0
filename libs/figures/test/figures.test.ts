import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { figure11Svg, figure41Svg, figure42Svg, type ReportData, rasterise } from '../src/index.js';
import { modelColours } from '../src/palette.js';
import { fitText, textWidth } from '../src/svg.js';
import { modelFixture, reportFixture } from './report-fixture.js';

const data = reportFixture();
const draw: readonly [string, (data: ReportData) => string | undefined][] = [
  ['1.1', figure11Svg],
  ['4.1', figure41Svg],
  ['4.2', figure42Svg],
];

/** The elements still open at the end, and a complaint for every end tag that closes another element. */
function badlyNested(svg: string): string[] {
  const open: string[] = [];
  const complaints: string[] = [];
  for (const [, closing, name, rest] of svg.matchAll(/<(\/?)([a-z]+)((?:[^>"]|"[^"]*")*)>/g)) {
    if (closing === '/') {
      if (open.pop() !== name) complaints.push(`</${name}>`);
    } else if (!rest?.endsWith('/')) open.push(name as string);
  }
  return [...complaints, ...open];
}

describe.each(draw)('figure %s', (_, figure) => {
  it('is well-formed and escapes what it is given', () => {
    const svg = figure(data) as string;
    expect(badlyNested(svg)).toEqual([]);
    expect(svg).not.toContain('<script>');
    expect(svg).not.toMatch(/&(?!#\d+;)/);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('becomes a PNG of twice its size', async () => {
    const svg = figure(data) as string;
    const [, width, height] = svg.match(/viewBox="0 0 ([\d.]+) ([\d.]+)"/) ?? [];
    const png = decode(await rasterise(svg));
    expect([png.width, png.height]).toEqual([2 * Number(width), 2 * Number(height)]);
  });

  it('stays inside its drawing with many long names', () => {
    const name = 'a model whose name was chosen by someone with a great deal of time';
    const long = {
      ...data,
      models: [modelFixture(name, 'standard', [9, 1, 0]), modelFixture(`${name} too`, 'pgd', [9, 5, 1])],
    };
    const svg = figure(long) as string;
    const width = Number(svg.match(/viewBox="0 0 ([\d.]+)/)?.[1]);
    for (const [, x, size, text] of svg.matchAll(
      /<text x="([\d.]+)"[^>]*font-size="(\d+)"[^>]*text-anchor="start"[^>]*>([^<]*)</g,
    ))
      expect(Number(x) + textWidth(text as string, Number(size)) * 0.9).toBeLessThan(width);
  });
});

describe('figure 1.1', () => {
  it('shows the source and every budget of both models, the robust one orange and the standard one blue', () => {
    const svg = figure11Svg(data) as string;
    expect(svg.match(/<image/g)).toHaveLength(2 * (1 + 2));
    expect([...svg.matchAll(/<polyline[^>]*stroke="(#\w+)"/g)].map(([, colour]) => colour)).toEqual([
      '#e69f00',
      '#0072b2',
    ]);
    expect(svg).toContain('90 %');
    expect(svg).toContain('class="outline"');
  });

  it('marks the measured budgets of the pictures on both curves', () => {
    expect(figure11Svg(data)?.match(/<circle/g)).toHaveLength(2 * 2);
  });

  it('is left out where a picture it needs was not made', () => {
    expect(figure11Svg({ ...data, figures: {} })).toBeUndefined();
    expect(figure11Svg({ ...data, models: data.models.slice(1) })).toBeUndefined();
  });
});

describe('figure 4.1', () => {
  it('draws one curve per model, and a collapsed one dashed, grey and named so', () => {
    const lines = [...figure41Svg(data).matchAll(/<polyline[^>]*>/g)].map(([line]) => line);
    expect(lines).toHaveLength(3);
    expect(lines.map((line) => line.includes('stroke-dasharray'))).toEqual([false, false, true]);
    expect(lines[2]).toContain('#8a8a8a');
    expect(figure41Svg(data)).toContain('trades-10000 (collapsed to “one”)');
  });

  it('names the training budget in the units of the grid and states the number of images', () => {
    expect(figure41Svg(data)).toContain('training budget 0.1');
    expect(figure41Svg(data)).toContain('10 images of the test split');
  });

  it('draws the Wilson interval of every point', () => {
    const [, points] = figure41Svg(data).match(/<polygon points="([^"]*)"/) ?? [];
    expect(points?.split(' ')).toHaveLength(2 * 3);
  });
});

describe('figure 4.2', () => {
  it('draws one picture per class and model besides the starts, with a verdict each', () => {
    const svg = figure42Svg(data) as string;
    expect(svg.match(/<image/g)).toHaveLength(2 * (1 + 3));
    expect(svg.match(/✓ 90 %/g)).toHaveLength(3);
    expect(svg.match(/✗ 10 %/g)).toHaveLength(3);
  });

  it('gives the lines beside its pictures the room they need', () => {
    const preset = 'a preset of a longer name';
    const models = data.models.map((model) => ({
      ...model,
      preset,
      collapse: { ...model.collapse, collapsed: false },
    }));
    expect(figure42Svg({ ...data, models })).toContain('>trades-10000, a preset of a longer name<');
  });

  it('is left out where no start was kept', () => {
    expect(figure42Svg({ ...data, figures: {} })).toBeUndefined();
  });
});

describe('modelColours', () => {
  it('gives eight models eight colours, standard blue and pgd orange wherever they stand', () => {
    const recipes = ['trades', 'fgsm', 'pgd', 'distilled', 'gradient-penalty', 'fim-penalty', 'standard', 'trades'];
    const colours = modelColours(recipes.map((recipe, i) => modelFixture(String(i), recipe, [1])));
    expect(new Set(colours).size).toBe(8);
    expect([colours[6], colours[2]]).toEqual(['#0072b2', '#e69f00']);
  });
});

describe('fitText', () => {
  it.each(['automobile', 'a', 'W'.repeat(40), '鳥'.repeat(9)])('cuts %s to the width asked for', (text) => {
    expect(textWidth(fitText(text, 60, 11), 11)).toBeLessThanOrEqual(60);
  });
});
