import { figure11 } from './figure-1-1.js';
import { figure41 } from './figure-4-1.js';
import { figure42 } from './figure-4-2.js';
import { pointAtTrainingBudget, type ReportData, type ReportModel } from './report-data.js';
import { escapeText } from './svg.js';

const style = `
:root { color-scheme: light dark; --ink: #1c1c1c; --soft: #5c5c5c; --line: #d9d9d9; --paper: #fdfdfb; --card: #fff; --good: #00704f; --bad: #b23c00; }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --soft: #a8a8a8; --line: #3a3a3a; --paper: #161616; --card: #1f1f1f; --good: #4cc79b; --bad: #ff9a5c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2rem 1rem 4rem; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; } h2 { margin-top: 2.5rem; font-size: 1.2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .4rem .6rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; } th:first-child, td:first-child { text-align: left; }
thead th { color: var(--soft); font-weight: 600; vertical-align: bottom; } .soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
figure { margin: 1.5rem 0; padding: .5rem; background: #fff; border: 1px solid var(--line); border-radius: .4rem; overflow-x: auto; } figure svg { display: block; max-width: 100%; height: auto; min-width: 34rem; margin: auto; }
details { margin: .6rem 0; } summary { cursor: pointer; } pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line); padding: .7rem; font-size: .8rem; } code { font-size: .85em; overflow-wrap: anywhere; }
`;

/** The report as one page that needs nothing else: no script, no font, no address outside itself. */
export function reportPage(data: ReportData): string {
  const figures = [figure11(data), figure41(data), figure42(data)].filter((svg) => svg !== undefined);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(data.title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escapeText(data.title)}</h1>
<p>${summarySentences(data).map(escapeText).join('</p>\n<p>')}</p>
<h2>Robustness, smoothness and honesty side by side</h2>
<div class="scroll">${modelTable(data)}</div>
<p class="soft">Accuracy counts all ${data.dataset.samples} samples; a clean error counts as broken. Intervals are 95 % Wilson intervals. Robust accuracy is an upper bound: a stronger attack may find more.</p>
${figures.map((svg) => `<figure>${svg}</figure>`).join('\n')}
${honestySection(data)}
<h2>Settings</h2>
<p class="soft">Percept ${escapeText(data.perceptVersion)}, engine ${escapeText(`${data.engine.name} ${data.engine.version} (${data.engine.path}, ${data.engine.threads} threads)`)}; data set ${escapeText(data.dataset.name)}, split ${escapeText(data.dataset.split)}, SHA-256 <code>${escapeText(data.dataset.digest)}</code></p>
<details><summary>Every setting</summary><pre>${escapeText(JSON.stringify(data.settings, plainNumbers, 2))}</pre></details>
${data.models.map(modelDetails).join('\n')}
</body>
</html>
`;
}

function plainNumbers(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
}

/** What the run shows and does not show, in plain words. */
export function summarySentences(data: ReportData): string[] {
  const { dataset, models } = data;
  const sound = models.filter(({ collapse }) => !collapse.collapsed);
  const robustness = (model: ReportModel): number => pointAtTrainingBudget(model, dataset)?.accuracy.estimate ?? 0;
  const [best] = [...sound].sort((a, b) => robustness(b) - robustness(a));
  const [weakest] = [...sound].sort((a, b) => robustness(a) - robustness(b));
  const sentences = [
    `${models.length} models were attacked on ${dataset.samples} ${dataset.split} images of ${dataset.name}, at every budget of the grid and without looking at each other's results.`,
  ];
  if (best && weakest && best !== weakest) {
    sentences.push(
      `At the training budget of ${Number(dataset.trainingEpsilon.toFixed(4))}, ${best.displayName} keeps ${percent(robustness(best))} of the images right and ${weakest.displayName} ${percent(robustness(weakest))}.`,
    );
  }
  for (const { displayName, collapse } of models.filter((model) => model.collapse.collapsed)) {
    sentences.push(
      `${displayName} predicts "${dataset.classNames[collapse.topClass]}" for ${percent(collapse.topShare)} of the images: its flat curve is no robustness.`,
    );
  }
  sentences.push(
    'The pictures show what each model takes for its classes; whether people recognise them is not measured here as a number.',
  );
  return sentences;
}

function modelTable({ models, dataset }: ReportData): string {
  const smooth = models.some(({ smoothness }) => smoothness !== undefined);
  const head = ['model', 'clean', `robust at ${Number(dataset.trainingEpsilon.toFixed(4))}`, '95 % interval'];
  if (smooth) head.push('‖∇loss‖ dual', '‖F½J‖²', 'λmax(F)', 'Lemma C.1');
  head.push('honesty', 'classes');
  const rows = models.map((model) => {
    const at = pointAtTrainingBudget(model, dataset);
    const cells = [
      escapeText(model.displayName),
      percent(model.profile.curve[0]?.accuracy.estimate ?? 0),
      at ? percent(at.accuracy.estimate) : '',
      at ? `${percent(at.accuracy.lower)} to ${percent(at.accuracy.upper)}` : '',
    ];
    if (smooth) {
      const { smoothness } = model;
      cells.push(
        smoothness ? significant(smoothness.mean.lossGradientDualNorm) : '',
        smoothness ? significant(smoothness.mean.fimFrobeniusSquared) : '',
        smoothness ? significant(smoothness.mean.fimLargestEigenvalue) : '',
        smoothness ? verdict(smoothness.lemma.holds, 'holds', 'broken') : '',
      );
    }
    const failing = (model.honesty ?? []).filter(({ passes }) => !passes).length;
    cells.push(model.honesty?.length ? verdict(failing === 0, 'all pass', `${failing} fail`) : '');
    cells.push(model.collapse.collapsed ? '<span class="bad">collapsed</span>' : '<span class="good">all</span>');
    return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>`;
  });
  return `<table><thead><tr>${head.map((title) => `<th>${escapeText(title)}</th>`).join('')}</tr></thead><tbody>${rows.join('\n')}</tbody></table>`;
}

function honestySection({ models }: ReportData): string {
  const judged = models.filter(({ honesty }) => honesty?.length);
  if (judged.length === 0) return '';
  const blocks = judged.map(({ displayName, honesty = [] }) => {
    const rows = honesty.map(
      ({ name, description, value, limit, passes }) =>
        `<tr><td>${escapeText(name)}</td><td>${significant(value)}</td><td>${significant(limit)}</td><td>${verdict(passes, 'pass', 'fail')}</td><td style="text-align:left;white-space:normal">${escapeText(description)}</td></tr>`,
    );
    return `<details><summary>${escapeText(displayName)}</summary><div class="scroll"><table><thead><tr><th>check</th><th>value</th><th>limit</th><th></th><th></th></tr></thead><tbody>${rows.join('')}</tbody></table></div></details>`;
  });
  return `<h2>May these numbers be believed?</h2>\n${blocks.join('\n')}`;
}

function modelDetails(model: ReportModel): string {
  const shown = {
    recipe: model.recipe,
    preset: model.preset,
    ...model.spec,
    epochs: model.epochs,
    seed: model.seed,
    parameters: model.parameters,
    profile: {
      strategy: model.profile.strategy,
      attacks: model.profile.attacks,
      gradientImageSteps: model.profile.gradientImageSteps,
    },
    weightsSha256: model.digest,
    witnessesSha256: model.profile.witnessesSha256,
  };
  return `<details><summary>${escapeText(model.displayName)}</summary><pre>${escapeText(JSON.stringify(shown, plainNumbers, 2))}</pre></details>`;
}

function verdict(good: boolean, yes: string, no: string): string {
  return `<span class="${good ? 'good' : 'bad'}">${escapeText(good ? yes : no)}</span>`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function significant(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)
    ? value.toExponential(2)
    : String(Number(value.toPrecision(3)));
}
