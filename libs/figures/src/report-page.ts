import { figure11Svg } from './figure-1-1.js';
import { figure41Svg } from './figure-4-1.js';
import { figure42Svg } from './figure-4-2.js';
import { figureRecognizabilitySvg } from './figure-recognizability.js';
import { budgetText, percent, significant } from './number-format.js';
import { budgetsOf, type ReportData, type ReportModel } from './report-data.js';
import { reportStyle } from './report-style.js';
import { summarise } from './report-summary.js';
import {
  honestyTable,
  modelTable,
  pairedTable,
  perClassTable,
  perTargetTable,
  recognizabilityTable,
} from './report-tables.js';
import { escapeText } from './svg.js';

/** The report as one page that needs nothing else: no script, no font, no address outside itself. */
export interface RenderedReport {
  readonly html: string;
}

/** Renders a report's page: summary, table, figures, honesty, settings. Equal data gives equal text. */
export function renderReport(data: ReportData): RenderedReport {
  const { shows, doesNotShow } = summarise(data);
  const html = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeText(data.title)}</title>
<style>${reportStyle}</style>
</head>
<body>
<header>
<h1>${escapeText(data.title)}</h1>
<p class="soft">${escapeText(headline(data))}</p>
</header>
<main>
<div class="columns">
<section><h3>What this run shows</h3>${list(shows)}</section>
<section><h3>What it does not show</h3>${list(doesNotShow)}</section>
</div>
<h2>The models side by side</h2>
${scrolling('Models side by side', modelTable(data))}
${tableNotes(data)}
<h2>Figures</h2>
${figures(data)}
${recognizabilitySection(data)}
${breakdownSection(data)}
${honestySection(data)}
<h2>Settings</h2>
${settingsSection(data)}
</main>
</body>
</html>
`;
  return { html };
}

function headline(data: ReportData): string {
  const { dataset, models } = data;
  const ball = dataset.norm === Number.POSITIVE_INFINITY ? 'l∞' : `l${dataset.norm}`;
  return `${models.length} ${models.length === 1 ? 'model' : 'models'}, ${dataset.samples} ${dataset.split} images of ${dataset.name}, ${ball} budgets, training budget ${budgetText(dataset.trainingEpsilon, budgetsOf(data))}`;
}

function list(sentences: readonly string[]): string {
  return `<ul>${sentences.map((sentence) => `<li>${escapeText(sentence)}</li>`).join('\n')}</ul>`;
}

/** A region that scrolls sideways on narrow screens, also by keyboard. */
function scrolling(label: string, content: string, kind = 'scroll'): string {
  return `<div class="${kind}" role="region" tabindex="0" aria-label="${escapeText(label)}">${content}</div>`;
}

function tableNotes(data: ReportData): string {
  const { dataset, models } = data;
  const notes = [
    `Accuracy counts all ${dataset.samples} images, and one that is wrong without any attack counts as broken at every budget. Small figures below a share are its 95 % Wilson interval; n is the number of images; “8-bit” counts only attacks that survive being stored as 8-bit images.`,
  ];
  const measured = models.find(({ smoothness }) => smoothness !== undefined)?.smoothness;
  if (measured)
    notes.push(
      `Smoothness is the mean over ${measured.samples} images, smaller is smoother: ‖∇L‖ is the dual norm of the loss gradient (Eq. 3.1), ‖F½J‖² the squared Frobenius norm of Eq. 3.6, λmax(F) the largest eigenvalue of the Fisher information of Eq. B.2 (✓ where the chain of Lemma C.1 holds)${measured.localLipschitz ? `, Lipschitz a lower bound of the logits’ local Lipschitz constant within ${significant(measured.localLipschitz.radius)}, found by attack` : ''}.${measured.estimates ? ` Estimates without the whole Jacobian come within ${percent(Math.max(...data.models.map(({ smoothness }) => smoothness?.estimates?.relativeError.fimFrobeniusSquared ?? 0)))} (‖F½J‖², ${measured.estimates.projections} random projections) and ${percent(Math.max(...data.models.map(({ smoothness }) => smoothness?.estimates?.relativeError.fimLargestEigenvalue ?? 0)))} (λmax, power iteration) of the exact means.` : ''}`,
    );
  if (models.some(({ recognizability }) => recognizability !== undefined))
    notes.push(
      'Recognizability: “recognised” is the share of targeted pictures in which independent judges see the target, “evidence” how far their logits moved towards it, “aligned ∇” the mean cosine of the label’s gradient with the way to its class’s mean image; more below.',
    );
  return notes.map((note) => `<p class="soft small">${escapeText(note)}</p>`).join('\n');
}

function figures(data: ReportData): string {
  const all: [label: string, svg: string | undefined, caption: string][] = [
    [
      'Figure 1.1',
      figure11Svg(data),
      'Above the curves, the image as the robust model needs it changed to see the target; below, as the standard model does. Dots on the curves mark those budgets of the pictures that the curves were measured at.',
    ],
    [
      'Figure 4.1',
      figure41Svg(data),
      'Share of images that no attack broke at or below each budget. Grey dashed curves belong to models that predict one class whatever they see.',
    ],
    [
      'Figure 4.2',
      figure42Svg(data),
      'What each model turns noise into when it is asked for a class and may change every pixel as far as it likes.',
    ],
    [
      'Recognizability',
      figureRecognizabilitySvg(data),
      'What each model makes of test images, changing them towards another class only until it is convinced itself. Where the target cannot be read, the model was convinced by something that people do not see.',
    ],
  ];
  return all
    .flatMap(([label, svg, caption]) =>
      svg === undefined
        ? []
        : [`<figure>${scrolling(label, svg, 'plate')}<figcaption>${escapeText(caption)}</figcaption></figure>`],
    )
    .join('\n');
}

function recognizabilitySection(data: ReportData): string {
  const { judges = [], models } = data;
  const first = models.find(({ recognizability }) => recognizability !== undefined)?.recognizability;
  if (first === undefined) return '';
  const panel = judges
    .map(
      ({ name, recipe, seed, width, blocks }) =>
        `${name} (${recipe}, width ${width}, blocks ${blocks.join('-')}, seed ${seed})`,
    )
    .join('; ');
  const notes = [
    `Each model changed the same ${first.topOne.n} test images towards other classes, without a budget, until it was convinced itself: the target's logit leads by half of the largest. Independent models then said what they see. Judges: ${panel}; no model judges itself.`,
    'Top-1 and top-5: share of pictures that judges put into the target class, or among their five likeliest. Evidence S: how far the judges’ logits moved towards the target and not towards the other classes. Shuffled targets: the same with targets dealt at random, which must hold zero. Half blend and real images: what judges say of true images of the target, mixed half with the start, and whole; below, their top-1. Strip: figure 4.2’s pictures, all steps taken from noise. Aligned ∇: mean cosine of the gradient of the label’s logit with the way to the mean image of its class, and beside it the ways to other classes. Small figures are 95 % intervals that count pictures of one target class as a cluster: Wilson’s at the effective number of pictures for shares, the bootstrap for the rest.',
  ];
  return `<h2>What independent judges recognise</h2>
${notes.map((note) => `<p class="soft small">${escapeText(note)}</p>`).join('\n')}
${scrolling('What independent judges recognise', recognizabilityTable(data))}`;
}

function breakdownSection(data: ReportData): string {
  const tables: [string, string][] = [
    [`Robust accuracy by class at ${budgetText(data.dataset.trainingEpsilon, budgetsOf(data))}`, perClassTable(data)],
    ['Recognised pictures by target', perTargetTable(data)],
    ['Models compared image by image at the training budget (McNemar’s exact test)', pairedTable(data)],
  ];
  const shown = tables.filter(([, content]) => content !== '');
  if (shown.length === 0) return '';
  return `<h2>By class and by target</h2>
${shown.map(([label, content]) => `<details><summary>${escapeText(label)}</summary>${scrolling(label, content)}</details>`).join('\n')}`;
}

function honestySection({ models }: ReportData): string {
  const judged = models.filter(({ honesty = [] }) => honesty.length > 0);
  if (judged.length === 0) return '';
  const blocks = judged.map(({ displayName, honesty = [] }) => {
    const failing = honesty.filter(({ verdict }) => verdict === 'fail').length;
    const run = honesty.filter(({ verdict }) => verdict !== 'not-run').length;
    const verdict =
      failing === 0
        ? `<span class="good">passes all ${run} checks that were run</span>`
        : `<span class="bad">fails ${failing} of ${run} checks</span>`;
    return `<details${failing > 0 ? ' open' : ''}><summary>${escapeText(displayName)} ${verdict}</summary>${scrolling(`Checks of ${displayName}`, honestyTable(honesty))}</details>`;
  });
  return `<h2>May these numbers be believed?</h2>
<p class="soft small">Each check compares a number with a limit that an honest evaluation keeps: AutoAttack’s flags, the checklist of Carlini et al., the indicators of Pintor et al., and class collapse. Curves marked with ! in the figures belong to models that fail one.</p>
${blocks.join('\n')}`;
}

function settingsSection({ perceptVersion, engine, dataset, settings, models }: ReportData): string {
  const facts: [string, string][] = [
    ['Percept', perceptVersion],
    ['Engine', `${engine.name} ${engine.version}, ${engine.path}, ${engine.threads} threads`],
    [
      'Data set',
      `${dataset.name}, split ${dataset.split}, ${dataset.height} × ${dataset.width} × ${dataset.channels}, ${dataset.classNames.length} classes`,
    ],
    ['SHA-256 of the split', dataset.digest],
  ];
  return `<dl>${facts.map(([term, text]) => `<dt>${escapeText(term)}</dt><dd>${escapeText(text)}</dd>`).join('\n')}</dl>
<details><summary>Settings of the evaluation</summary>${json('Settings of the evaluation', settings)}</details>
${models.map(modelDetails).join('\n')}`;
}

function modelDetails(model: ReportModel): string {
  const { displayName, name, recipe, preset, parameters, spec, dataset, epochs, seed, profile, digest } = model;
  const { curve, ...attack } = profile;
  const shown = {
    name,
    recipe,
    preset,
    parameters,
    spec,
    trainedOn: dataset,
    epochs,
    seed,
    weightsSha256: digest,
    profile: { ...attack, budgets: curve.length, largestBudget: curve.at(-1)?.epsilon ?? 0 },
    ...(model.smoothness ? { smoothness: model.smoothness } : {}),
    ...(model.recognizability
      ? { recognizability: { judges: model.recognizability.judges, shuffled: model.recognizability.shuffled } }
      : {}),
    collapse: model.collapse,
  };
  const outline = `${recipe}, ${epochs} epochs, seed ${seed}, weights ${digest.slice(0, 12)}`;
  return `<details><summary>${escapeText(displayName)} <span class="soft small">${escapeText(outline)}</span></summary>${json(`Settings of ${displayName}`, shown)}</details>`;
}

function json(label: string, value: unknown): string {
  const text = JSON.stringify(
    value,
    (_, child: unknown) => (typeof child === 'number' && !Number.isFinite(child) ? significant(child) : child),
    2,
  );
  return `<pre role="region" tabindex="0" aria-label="${escapeText(label)}">${escapeText(text)}</pre>`;
}
