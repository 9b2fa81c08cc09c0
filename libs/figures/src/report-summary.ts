import { budgetText, percent, significant } from './number-format.js';
import { budgetsOf, pointAtTrainingBudget, type ReportData, type ReportModel } from './report-data.js';

const strategies: Readonly<Record<string, string>> = {
  exhaustive: 'every budget of the grid on its own',
  ascending: 'budget after budget, each beginning where the last one ended',
  bisect: 'per image, narrowing the range of budgets between the largest that held and the smallest that broke it',
};

/** What a run shows and what it does not show, one plain sentence each. */
export interface RunSummary {
  readonly shows: readonly string[];
  readonly doesNotShow: readonly string[];
}

/** Says in plain words what the numbers of a run mean and where they end. */
export function summarise(data: ReportData): RunSummary {
  const { dataset, models } = data;
  const images = `${dataset.samples} ${dataset.split} images of ${dataset.name}`;
  return {
    shows: [
      `${models.length === 1 ? '1 model was' : `${models.length} models were`} attacked on ${images}${howAttacked(models)}.`,
      ...comparison(data),
      ...models
        .filter(({ collapse }) => collapse.collapsed)
        .map(
          ({ displayName, collapse }) =>
            `${displayName} predicts “${dataset.classNames[collapse.topClass]}” for ${percent(collapse.topShare)} of the images: its flat curve is no robustness.`,
        ),
      ...smoothnessSentence(data),
      ...recognizabilitySentences(data),
    ],
    doesNotShow: [
      'Robust accuracy is an upper bound: an image counts as robust when these attacks found no way to break it, and a stronger attack may find one.',
      ...honestySentences(models),
      `The intervals cover the choice of ${dataset.samples} images, not the luck of training: each row is one training run.`,
      models.some(({ recognizability }) => recognizability !== undefined)
        ? 'Judges are models, not people: what they recognise is evidence that a picture holds its target, and the blind labelling files let people say for themselves.'
        : 'The pictures show what each model takes for its classes; whether people recognise them is not measured here as a number.',
    ],
  };
}

function howAttacked(models: readonly ReportModel[]): string {
  const found = [...new Set(models.map(({ profile }) => profile.strategy))];
  const [strategy] = found;
  const words = strategy === undefined ? undefined : strategies[strategy];
  return found.length === 1 && words !== undefined ? `, ${words}` : '';
}

function comparison(data: ReportData): string[] {
  const { dataset, models } = data;
  const ranked = models
    .filter(({ collapse }) => !collapse.collapsed)
    .flatMap((model) => {
      const point = pointAtTrainingBudget(model, dataset);
      return point === undefined ? [] : [{ key: model.name, name: model.displayName, accuracy: point.accuracy }];
    })
    .sort((a, b) => b.accuracy.estimate - a.accuracy.estimate);
  const [best, second] = ranked;
  const worst = ranked.at(-1);
  if (best === undefined || worst === undefined) return [];
  const at = `At the training budget of ${budgetText(dataset.trainingEpsilon, budgetsOf(data))}, ${best.name} keeps ${percent(best.accuracy.estimate)} of the images right`;
  if (second === undefined) return [`${at}.`];
  const sentences = [`${at}; the least robust, ${worst.name}, keeps ${percent(worst.accuracy.estimate)}.`];
  const pair = data.comparisons?.find(
    ({ first, second: other }) =>
      [first, other].includes(best.key) && [first, other].includes(second.key) && first !== other,
  );
  if (pair !== undefined)
    sentences.push(
      `Image by image, ${best.name} and ${second.name} differ on ${pair.onlyFirst + pair.onlySecond}: ${pair.pValue < 0.05 ? 'their order is no accident of these images' : 'that may be an accident of these images'} (McNemar’s exact test, p = ${significant(pair.pValue)}).`,
    );
  else if (second.accuracy.upper >= best.accuracy.lower)
    sentences.push(`The intervals of ${best.name} and ${second.name} overlap: read their order with care.`);
  return sentences;
}

function smoothnessSentence({ models }: ReportData): string[] {
  const broken = models.filter(({ smoothness }) => smoothness !== undefined && !smoothness.lemma.holds);
  if (!models.some(({ smoothness }) => smoothness !== undefined)) return [];
  return broken.length === 0
    ? [
        'The measures of smoothness obey the chain of inequalities of Lemma C.1, so they are consistent with each other.',
      ]
    : [`The measures of smoothness of ${names(broken)} break the chain of Lemma C.1: do not rely on them.`];
}

function recognizabilitySentences({ models }: ReportData): string[] {
  const judged = models.flatMap(({ displayName, recognizability }) =>
    recognizability === undefined ? [] : [{ displayName, ...recognizability }],
  );
  const ranked = judged.toSorted((a, b) => b.evidence.estimate - a.evidence.estimate);
  const [best] = ranked;
  const worst = ranked.at(-1);
  if (best === undefined || worst === undefined) return [];
  const apart = best.evidence.lower > worst.evidence.upper;
  const unsound = judged.filter(({ shuffled }) => shuffled.lower > 0 || shuffled.upper < 0);
  return [
    ranked.length === 1
      ? `Independent judges see the target in ${percent(best.topOne.estimate)} of the pictures of ${best.displayName}.`
      : `Independent judges see the target in ${percent(best.topOne.estimate)} of the pictures of ${best.displayName}, which hold most evidence of it, and in ${percent(worst.topOne.estimate)} of those of ${worst.displayName}, which hold least${apart ? '; their intervals lie apart' : '; their intervals overlap'}.`,
    ...(unsound.length > 0
      ? [
          `For ${unsound.map(({ displayName }) => displayName).join(', ')} the control of shuffled targets is not at zero: do not rely on their evidence.`,
        ]
      : []),
  ];
}

function honestySentences(models: readonly ReportModel[]): string[] {
  const failing = models.filter(({ honesty = [] }) => honesty.some(({ verdict }) => verdict === 'fail'));
  const unjudged = models.filter(({ honesty = [] }) => honesty.length === 0);
  return [
    ...(failing.length > 0
      ? [`The curves of ${names(failing)} fail a check of their honesty, listed below: read them with that in mind.`]
      : []),
    ...(unjudged.length > 0 ? [`No check of honesty was made for ${names(unjudged)}.`] : []),
  ];
}

function names(models: readonly ReportModel[]): string {
  const all = models.map(({ displayName }) => displayName);
  return all.length < 2 ? all.join('') : `${all.slice(0, -1).join(', ')} and ${all.at(-1)}`;
}
