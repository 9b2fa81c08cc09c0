import type { Estimate, PairedComparison } from '@percept/measures';
import { describe, expect, it } from 'vitest';
import {
  figure41Svg,
  figureRecognizabilitySvg,
  labellingFiles,
  type ReportData,
  type ReportModel,
  renderReport,
  robustBenchFiles,
  smoothnessTable,
  summarise,
} from '../src/index.js';
import { flatImage, reportFixture } from './report-fixture.js';

const estimate = (value: number, reach = 0.1): Estimate => ({
  estimate: value,
  lower: value - reach,
  upper: value + reach,
  n: 4,
  clusters: 2,
});
const verdict = (share: number, evidence: number) => ({
  topOne: estimate(share),
  topFive: estimate(1),
  evidence: estimate(evidence),
});

function recognised(model: ReportModel, share: number, evidence: number, shuffled = 0): ReportModel {
  const pictures = {
    starts: new Float32Array(96),
    images: new Float32Array([...flatImage(0.25), ...flatImage(0.75)]),
    targets: Int32Array.of(0, 1),
    success: Uint8Array.of(1, 1),
    confidence: Float64Array.of(1, 1),
    steps: Int32Array.of(3, 5),
  };
  return {
    ...model,
    recognizability: {
      ...verdict(share, evidence),
      judges: [{ name: 'judge', ...verdict(share, evidence) }],
      shuffled: { mean: shuffled, lower: shuffled - 0.2, upper: shuffled + 0.2, topOne: 0.5 },
      exemplars: verdict(1, 9),
      blend: verdict(0.9, 5),
      recovers: evidence >= 5,
      readings: [1, 1],
      perTarget: [
        { target: 0, n: 2, topOne: share, evidence },
        { target: 1, n: 2, topOne: share, evidence },
      ],
      gradients: { own: estimate(0.3), shuffled: estimate(0.05), difference: estimate(0.25) },
      convinced: 0.75,
      meanSteps: 4,
      strip: verdict(0.5, 2),
      pictures,
    },
  };
}

function judgedReport(shuffled = 0): ReportData {
  const data = reportFixture();
  const [standard, pgd, trades] = data.models as [ReportModel, ReportModel, ReportModel];
  const pair: PairedComparison = {
    epsilon: 0.1,
    samples: 10,
    onlyFirst: 0,
    onlySecond: 9,
    difference: -0.9,
    pValue: 0.004,
  };
  return {
    ...data,
    models: [recognised(standard, 0.125, 0.5), recognised(pgd, 0.875, 6.5, shuffled), trades],
    judges: [{ name: 'judge', digest: 'aa', recipe: 'fgsm', seed: 1_000, width: 6, blocks: [1, 1, 1, 1] }],
    comparisons: [{ first: 'standard', second: 'pgd', ...pair }],
  };
}

const text = (bytes: Uint8Array | undefined): string => new TextDecoder().decode(bytes);
const plain = (html: string): string =>
  html
    .replace(/<[^>]*>/g, ' ')
    .replaceAll('\u00a0', ' ')
    .replace(/\s+/g, ' ');

describe('a report with recognizability', () => {
  it('joins it with robustness and smoothness in the one row of each model, and says where it was not measured', () => {
    const rows = [
      ...renderReport(judgedReport()).html.matchAll(/<tr><th scope="row">(?:pgd|trades-10000)<small>.*?<\/tr>/g),
    ];
    const [pgd, trades] = rows.map(([row]) => plain(row));
    expect(pgd).toMatch(/100\.0 %.*1\.23.*87\.5 % 77\.5 to 97\.5 %.*6\.50 6\.40 to 6\.60.*0\.30 0\.20 to 0\.40/);
    expect(trades?.match(/–/g)?.length).toBeGreaterThanOrEqual(3);
  });

  it('lists judges and controls, breakdowns and paired tests', () => {
    const page = plain(renderReport(judgedReport()).html);
    expect(page).toContain('judge (fgsm, width 6, blocks 1-1-1-1, seed 1000)');
    expect(page).toMatch(/pgd 75\.0 % after 4 steps .* ✓ reached/);
    expect(page).toMatch(/standard 75\.0 % after 4 steps .* ✗ not reached/);
    expect(page).toMatch(/standard −90\.0 p 0\.004/);
    expect(page).toMatch(/pgd \+90\.0 p 0\.004/);
    expect(page).toContain('recognised, by target');
  });

  it('leaves it out where nothing was judged', () => {
    const { html } = renderReport(reportFixture());
    expect(html).not.toContain('What independent judges recognise');
    expect(html).not.toContain('aligned');
  });

  it('says in plain words whose pictures are recognised, that judges are models, and where a control fails', () => {
    const { shows, doesNotShow } = summarise(judgedReport());
    expect(plain(shows.join(' '))).toContain('see the target in 87.5 % of the pictures of pgd');
    expect(shows.join(' ')).toContain('intervals lie apart');
    expect(shows.join(' ')).not.toContain('shuffled');
    expect(doesNotShow.join(' ')).toContain('Judges are models, not people');
    expect(summarise(judgedReport(1)).shows.join(' ')).toContain(
      'For pgd the control of shuffled targets is not at zero',
    );
    expect(summarise(reportFixture()).doesNotShow.join(' ')).toContain('is not measured here as a number');
  });
});

describe('the figure of recognizability', () => {
  it('draws the starts and one picture per class and judged model, with what judges see in each', () => {
    const svg = figureRecognizabilitySvg(judgedReport()) as string;
    expect(svg.match(/<image/g)).toHaveLength(2 * (1 + 2));
    expect(svg.match(/✗ one/g)).toHaveLength(2);
    expect(svg.match(/✓ one/g)).toHaveLength(2);
    expect(svg).toContain('judges see 88 % of targets');
  });

  it('is left out where nothing was judged or the first pictures do not aim at every class in turn', () => {
    expect(figureRecognizabilitySvg(reportFixture())).toBeUndefined();
    const data = judgedReport();
    const models = data.models.map((model) =>
      model.recognizability === undefined
        ? model
        : {
            ...model,
            recognizability: {
              ...model.recognizability,
              pictures: { ...model.recognizability.pictures, targets: Int32Array.of(1, 0) },
            },
          },
    );
    expect(figureRecognizabilitySvg({ ...data, models })).toBeUndefined();
  });
});

describe('figure 4.1', () => {
  it('marks models whose profile fails a check of its honesty, and only those', () => {
    const svg = figure41Svg(reportFixture());
    expect(svg).toMatch(/trades-10000 .*! fails 1 check</);
    expect(svg).not.toMatch(/pgd ! fails/);
  });

  it('draws the curve of 8-bit images as a second one', () => {
    const data = reportFixture();
    const models = data.models.map((model) => ({
      ...model,
      profile: { ...model.profile, eightBit: model.profile.curve },
    }));
    const lines = (svg: string): number => svg.split('<polyline').length - 1;
    expect(lines(figure41Svg({ ...data, models }))).toBe(2 * lines(figure41Svg(data)));
  });
});

describe('labellingFiles', () => {
  it('shows pictures under ids that tell nothing and keeps model and target in a key apart', () => {
    const data = judgedReport();
    const models = data.models.flatMap(({ name, recognizability }) =>
      recognizability === undefined ? [] : [{ name, pictures: recognizability.pictures }],
    );
    const [pictures, key] = labellingFiles(data.dataset, models, 3);
    const shown = JSON.parse(text(pictures?.bytes)) as { items: { id: string; png: string }[]; classNames: string[] };
    expect(shown.items).toHaveLength(4);
    expect(text(pictures?.bytes)).not.toMatch(/standard|pgd/);
    expect(shown.items.every(({ png }) => Buffer.from(png, 'base64').subarray(1, 4).toString() === 'PNG')).toBe(true);
    const known = JSON.parse(text(key?.bytes)) as Record<string, { group: string; target: number }>;
    expect(Object.keys(known).sort()).toEqual(shown.items.map(({ id }) => id).sort());
    expect(
      Object.values(known)
        .filter(({ group }) => group === 'pgd')
        .map(({ target }) => target)
        .sort(),
    ).toEqual([0, 1]);
    expect(labellingFiles(data.dataset, [], 3)).toEqual([]);
  });
});

describe('robustBenchFiles', () => {
  it('gives each model a card with the fields of RobustBench, unreliable where a check fails', () => {
    const files = robustBenchFiles(reportFixture());
    expect(files.map(({ name }) => name)).toEqual([
      'robustbench/standard.json',
      'robustbench/pgd.json',
      'robustbench/trades-10000.json',
    ]);
    const [, pgd, trades] = files.map(({ bytes }) => JSON.parse(text(bytes)) as Record<string, unknown>);
    expect(pgd).toMatchObject({
      name: 'pgd',
      dataset: 'digits',
      norm: 'Linf',
      eps: '0.1',
      clean_acc: '100.00',
      reported: '100.00',
      autoattack_acc: null,
      unreliable: false,
    });
    expect(trades).toMatchObject({ unreliable: true, clean_acc: '50.00' });
  });

  it('reports AutoAttack’s accuracy where the profile was made by it', () => {
    const data = reportFixture();
    const models = data.models.map((model) => ({
      ...model,
      profile: { ...model.profile, attacks: [{ name: 'autoattack', method: 'autoattack', options: {} } as const] },
    }));
    const [standard] = robustBenchFiles({ ...data, models });
    expect(JSON.parse(text(standard?.bytes))).toMatchObject({ autoattack_acc: '0.00' });
  });

  it('names the attacks that confirmed a curve, which are not those of every budget', () => {
    const data = reportFixture();
    const confirmations = [{ name: 'autoattack', method: 'autoattack', options: {} } as const];
    const models = data.models.map((model) => ({ ...model, profile: { ...model.profile, confirmations } }));
    const [standard] = robustBenchFiles({ ...data, models });
    expect(JSON.parse(text(standard?.bytes))).toMatchObject({
      autoattack_acc: null,
      footnote: expect.stringContaining(', confirmed by autoattack, on '),
    });
  });
});

describe('smoothnessTable', () => {
  it('gives one row per model and sample, and no file where nothing was measured', () => {
    const sample = {
      lossGradientDualNorm: 1,
      fimFrobeniusSquared: 2,
      fimLargestEigenvalue: 3,
      fimTwoInfinitySquared: 4,
      jacobianFrobeniusSquared: 5,
      jacobianSpectralNorm: 6,
    };
    const smoothness = {
      samples: [sample, sample],
      mean: sample,
      lemma: { holds: true, worstExcess: 0 },
      localLipschitz: Float64Array.of(7, 8),
    };
    const [file] = smoothnessTable([{ name: 'a "b"', smoothness }]);
    const lines = text(file?.bytes).trimEnd().split('\n');
    expect(lines[0]).toMatch(/^model,sample,lossGradientDualNorm,/);
    expect(lines.slice(1)).toEqual(['"a ""b""",0,1,2,3,4,5,6,7,,', '"a ""b""",1,1,2,3,4,5,6,8,,']);
    expect(smoothnessTable([])).toEqual([]);
  });
});
