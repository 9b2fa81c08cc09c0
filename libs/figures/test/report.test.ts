import { describe, expect, it } from 'vitest';
import {
  canonicalJson,
  figure11,
  figure41,
  figure42,
  type ReportData,
  type ReportModel,
  reportArtifacts,
  reportPage,
  summarySentences,
} from '../src/index.js';

const size = 4 * 4 * 3;
const image = (value: number): Float32Array => new Float32Array(size).fill(value);

function model(name: string, recipe: string, collapsed: boolean): ReportModel {
  const curve = [0, 0.1, 0.2].map((epsilon, i) => ({
    epsilon,
    robust: 10 - 3 * i,
    accuracy: { estimate: (10 - 3 * i) / 10, lower: 0.1, upper: 1, n: 10 },
  }));
  return {
    name,
    displayName: name,
    recipe,
    preset: 'quickstart',
    parameters: { beta: 6 },
    digest: 'ab',
    spec: { architecture: 'preact-resnet', width: 8, blocks: [1, 1, 1, 1] },
    epochs: 1,
    seed: 0,
    dataset: 'digits',
    profile: {
      strategy: 'bisect',
      attacks: [],
      curve,
      gradientImageSteps: 1,
      forwardImagePasses: 1,
      rejectedWitnesses: 0,
      witnessesSha256: 'cd',
    },
    collapse: { entropy: 0, relativeEntropy: collapsed ? 0 : 1, topClass: 1, topShare: collapsed ? 1 : 0.5, collapsed },
    strip: { images: new Float32Array(2 * size), success: Uint8Array.of(1, 0), confidence: Float64Array.of(0.9, 0.1) },
    sweep: { budgets: [0.1, 0.2], images: [image(0.2), image(0.4)], predictions: [0, 1], confidences: [0.6, 0.9] },
  };
}

const data: ReportData = {
  title: 'A <b>report</b>',
  dataset: {
    name: 'digits',
    split: 'test',
    samples: 10,
    digest: 'ef',
    classNames: ['<script>alert(1)</script>', 'one'],
    height: 4,
    width: 4,
    channels: 3,
    trainingEpsilon: 0.1,
    norm: Number.POSITIVE_INFINITY,
  },
  models: [
    model('standard', 'standard', false),
    model('pgd', 'pgd', false),
    model('trades-10000', 'trades-10000', true),
  ],
  figures: { starts: new Float32Array(2 * size), source: { image: image(0.5), label: 0, target: 1, sampleId: 3 } },
  settings: { profile: { norm: Number.POSITIVE_INFINITY } },
  engine: { name: 'cpu', version: '4.22.0', path: 'javascript', threads: 1 },
  perceptVersion: '0.1.0',
};

describe('canonicalJson', () => {
  it('depends on content alone, not on the order of keys', () => {
    expect(canonicalJson({ b: 1, a: { d: [1, 2], c: undefined } })).toEqual(canonicalJson({ a: { d: [1, 2] }, b: 1 }));
  });

  it('writes numbers that JSON lacks as text, and arrays of pixels as their digest', () => {
    const text = new TextDecoder().decode(
      canonicalJson({ epsilon: Number.POSITIVE_INFINITY, pixels: Uint8Array.of(1) }),
    );
    expect(JSON.parse(text)).toEqual({
      epsilon: 'Infinity',
      pixels: { bytes: 1, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    });
  });
});

describe('the figures', () => {
  it.each([
    ['1.1', figure11],
    ['4.1', figure41],
    ['4.2', figure42],
  ] as const)('figure %s is well-formed and escapes what it is given', (_, draw) => {
    const svg = draw(data) as string;
    const opened = [...svg.matchAll(/<([a-z]+)[^>]*?(\/?)>/g)]
      .filter(([, , closed]) => closed === '')
      .map(([, tag]) => tag);
    const closed = [...svg.matchAll(/<\/([a-z]+)>/g)].map(([, tag]) => tag);
    expect(opened.sort()).toEqual(closed.sort());
    expect(svg).not.toContain('<script>');
  });

  it('draws one curve per model and names a collapsed one', () => {
    const svg = figure41(data);
    expect(svg.match(/<polyline/g)).toHaveLength(3);
    expect(svg).toContain('trades-10000 (collapsed to &#34;one&#34;)');
  });

  it('draws one picture per class and model besides the starts', () => {
    expect(figure42(data)?.match(/<image/g)).toHaveLength(2 * (1 + 3));
  });

  it('leaves out a figure whose pictures were not made', () => {
    expect(figure42({ ...data, figures: {} })).toBeUndefined();
    expect(figure11({ ...data, figures: {} })).toBeUndefined();
  });
});

describe('the report', () => {
  it('is one page that refers to nothing outside itself and runs no script', () => {
    const page = reportPage(data);
    expect(page).not.toMatch(/<script/i);
    expect(page.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /(src|href)="(?!data:)|https?:|@import|url\(/,
    );
  });

  it('says in plain words which model collapsed', () => {
    expect(summarySentences(data).join(' ')).toContain('its flat curve is no robustness');
  });

  it('gives equal bytes for equal data', async () => {
    const [first, second] = [await reportArtifacts(data), await reportArtifacts(structuredClone(data))];
    expect(second).toEqual(first);
    expect(first.map(({ name }) => name)).toEqual([
      'report.json',
      'report.html',
      'figures/figure-1-1.svg',
      'figures/figure-1-1.png',
      'figures/figure-4-1.svg',
      'figures/figure-4-1.png',
      'figures/figure-4-2.svg',
      'figures/figure-4-2.png',
    ]);
    for (const { mediaType, bytes } of first)
      if (mediaType === 'image/png') expect([...bytes.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
  });
});
