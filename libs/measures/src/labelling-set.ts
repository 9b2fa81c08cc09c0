import { RandomStream } from '@percept/tensor';
import { cohenKappa, fleissKappa } from './rater-agreement.js';
import { type Proportion, wilsonInterval } from './wilson-interval.js';

/** One picture that people shall name, and what they must not see: where it comes from and what it aims at. */
export interface LabellingSource {
  /** What the picture is counted under, such as the model that made it. */
  readonly group: string;
  /** The class that counts as right. */
  readonly target: number;
  /** A flattened image in [0, 1]. */
  readonly image: Float32Array;
}

/** A set of pictures to name, and apart from it the key that tells what they are. Ids say nothing about the picture. */
export interface LabellingSet {
  readonly items: readonly { readonly id: string; readonly image: Float32Array }[];
  readonly key: LabellingKey;
}

/** Group and target of every picture by its id. */
export type LabellingKey = Readonly<Record<string, { readonly group: string; readonly target: number }>>;

/** What one person answered: a class per picture, or null for "none of them". Pictures left out were not looked at. */
export interface LabellingAnswers {
  readonly rater: string;
  readonly answers: Readonly<Record<string, number | null>>;
}

/** What people recognised. */
export interface LabellingScore {
  /** Share of the answers that name the target, per group, over all raters. */
  readonly groups: Readonly<Record<string, Proportion>>;
  /** Chance-corrected agreement on the pictures that every rater looked at: Cohen's kappa for two raters, Fleiss' for more; absent for one. */
  readonly agreement?: { readonly measure: 'Cohen' | 'Fleiss'; readonly kappa: number; readonly pictures: number };
}

/** Thrown when answers do not belong to the set. */
export class InvalidAnswersError extends Error {
  constructor(what: string) {
    super(`these answers do not fit the labelling set: ${what}`);
    this.name = 'InvalidAnswersError';
  }
}

/** Puts pictures of all groups in a random order under random ids; a pure function of the sources' order and the seed. */
export function labellingSet(sources: readonly LabellingSource[], seed: number): LabellingSet {
  const stream = new RandomStream({ seed, purpose: 'labelling set' });
  const drawn = sources.map((source) => ({ source, place: stream.nextUint32(), id: hexadecimal(stream) }));
  if (new Set(drawn.map(({ id }) => id)).size < drawn.length) throw new RangeError('two pictures drew the same id');
  drawn.sort((a, b) => a.place - b.place || (a.id < b.id ? -1 : 1));
  return {
    items: drawn.map(({ id, source }) => ({ id, image: source.image })),
    key: Object.fromEntries(drawn.map(({ id, source: { group, target } }) => [id, { group, target }])),
  };
}

function hexadecimal(stream: RandomStream): string {
  return [0, 1].map(() => stream.nextUint32().toString(16).padStart(8, '0')).join('');
}

/**
 * Scores what people answered against the key. `classes` is the number of classes offered; "none of them" counts as wrong and, for agreement, as a
 * category of its own. Throws InvalidAnswersError for a rater who occurs twice, an unknown picture or a class out of range.
 */
export function scoreLabelling(
  key: LabellingKey,
  sheets: readonly LabellingAnswers[],
  classes: number,
): LabellingScore {
  checkSheets(key, sheets, classes);
  const groups: Record<string, Proportion> = {};
  for (const group of new Set(Object.values(key).map((entry) => entry.group))) {
    const given = sheets.flatMap(({ answers }) => Object.entries(answers).filter(([id]) => key[id]?.group === group));
    const right = given.filter(([id, answer]) => answer === key[id]?.target).length;
    if (given.length > 0) groups[group] = wilsonInterval(right, given.length);
  }
  const shared = Object.keys(key).filter((id) => sheets.every(({ answers }) => id in answers));
  if (sheets.length < 2 || shared.length === 0) return { groups };
  const category = (sheet: LabellingAnswers, id: string): number => sheet.answers[id] ?? classes;
  const [first, second] = sheets as [LabellingAnswers, LabellingAnswers];
  if (sheets.length === 2) {
    const of = (sheet: LabellingAnswers): number[] => shared.map((id) => category(sheet, id));
    return {
      groups,
      agreement: { measure: 'Cohen', kappa: cohenKappa(of(first), of(second)), pictures: shared.length },
    };
  }
  const counts = shared.map((id) => {
    const row = new Array<number>(classes + 1).fill(0);
    for (const sheet of sheets) row[category(sheet, id)] = (row[category(sheet, id)] as number) + 1;
    return row;
  });
  return { groups, agreement: { measure: 'Fleiss', kappa: fleissKappa(counts), pictures: shared.length } };
}

function checkSheets(key: LabellingKey, sheets: readonly LabellingAnswers[], classes: number): void {
  const raters = new Set<string>();
  for (const { rater, answers } of sheets) {
    if (raters.has(rater)) throw new InvalidAnswersError(`rater ${rater} occurs twice`);
    raters.add(rater);
    for (const [id, answer] of Object.entries(answers)) {
      if (key[id] === undefined) throw new InvalidAnswersError(`${rater} names a picture ${id} that is not in it`);
      if (answer !== null && !(Number.isInteger(answer) && answer >= 0 && answer < classes))
        throw new InvalidAnswersError(`${rater} names class ${answer} of picture ${id}, there are ${classes}`);
    }
  }
}
