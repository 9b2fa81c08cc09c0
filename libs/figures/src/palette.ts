import type { ReportModel } from './report-data.js';

/**
 * Colours that people with every kind of colour vision can tell apart, after Okabe and Ito, on light and on dark ground:
 * their yellow and black, which one of the two would swallow, give way to a brown and a violet.
 */
export const palette: readonly string[] = [
  '#0072b2',
  '#e69f00',
  '#009e73',
  '#d55e00',
  '#56b4e9',
  '#cc79a7',
  '#8c6d1f',
  '#8e6cc4',
];

/** The colour of a model that predicts one class whatever it sees. */
export const collapsedColour = '#8a8a8a';

/** The recipes that figure 1.1 shows keep its colours in every figure. */
const fixed: Readonly<Record<string, number>> = { standard: 0, pgd: 1 };

/** One colour per model: blue for standard training, orange for PGD, grey for collapsed ones, the others in their order. */
export function modelColours(models: readonly ReportModel[]): string[] {
  const taken = new Set<number>();
  const places = models.map(({ recipe, collapse }) => {
    const place = collapse.collapsed ? undefined : fixed[recipe];
    if (place === undefined || taken.has(place)) return undefined;
    taken.add(place);
    return place;
  });
  let next = 0;
  return models.map(({ collapse }, i) => {
    if (collapse.collapsed) return collapsedColour;
    const place = places[i];
    if (place !== undefined) return palette[place] as string;
    while (next < palette.length && taken.has(next)) next++;
    return palette[next++ % palette.length] as string;
  });
}
