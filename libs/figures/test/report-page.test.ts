import { describe, expect, it } from 'vitest';
import { renderReport, reportArtifacts, summarise } from '../src/index.js';
import { modelFixture, reportFixture } from './report-fixture.js';

const data = reportFixture();

describe('renderReport', () => {
  it('is one page that refers to nothing outside itself and runs no script', () => {
    const { html } = renderReport(data);
    expect(html).not.toMatch(/<script|\son\w+=|javascript:/i);
    expect(html.replaceAll('http://www.w3.org/2000/svg', '')).not.toMatch(
      /(src|href)="(?!data:)|https?:|@import|url\(|<link/,
    );
    expect(html).toContain('A &#60;b&#62;report&#60;/b&#62;');
  });

  it('joins accuracy with its interval and n, smoothness, collapse and honesty in one row per model', () => {
    const rows = [...renderReport(data).html.matchAll(/<tr><th scope="row">(pgd|trades-10000)<small>.*?<\/tr>/g)];
    const [pgd, trades] = rows.map(([row]) => row.replace(/<[^>]*>/g, ' ').replaceAll('\u00a0', ' '));
    expect(pgd).toMatch(/10\s+100\.0 %\s+72\.2 to 100\.0 %/);
    expect(pgd).toContain('1.23');
    expect(pgd).toContain('✓ spread');
    expect(pgd).toContain('✓ 1 pass');
    expect(trades).toContain('✗ collapsed');
    expect(trades).toContain('refuted-witnesses');
  });

  it('leaves smoothness and honesty out of the table where nothing was measured', () => {
    const bare = data.models.map(({ smoothness: _smoothness, honesty: _honesty, ...model }) => model);
    const { html } = renderReport({ ...data, models: bare });
    expect(html).not.toContain('Lemma C.1');
    expect(html).toContain('not checked');
    expect(html).not.toContain('May these numbers be believed?');
  });

  it('says so where the training budget is not on the grid', () => {
    const { html } = renderReport({ ...data, dataset: { ...data.dataset, trainingEpsilon: 0.15 } });
    expect(html).toContain('not on the grid');
  });

  it('gives settings with infinity as text, digests, engine and version', () => {
    const { html } = renderReport(data);
    for (const text of [
      '&#34;norm&#34;: &#34;Infinity&#34;',
      'cpu 4.22.0, javascript, 1 threads',
      '<dd>ef</dd>',
      '<dd>0.1.0</dd>',
    ])
      expect(html).toContain(text);
  });
});

describe('summarise', () => {
  it('ranks the models that did not collapse and names the one that did', () => {
    const shows = summarise(data).shows.join(' ').replaceAll('\u00a0', ' ');
    expect(shows).toContain(
      'At the training budget of 0.1, pgd keeps 100.0 % of the images right; the least robust, standard, keeps 0.0 %.',
    );
    expect(shows).toContain('trades-10000 predicts “one” for 100.0 % of the images: its flat curve is no robustness.');
  });

  it('warns where the intervals of the two best models overlap, and only there', () => {
    const close = [modelFixture('a', 'pgd', [10, 8, 0]), modelFixture('b', 'trades', [10, 7, 0])];
    expect(summarise({ ...data, models: close }).shows.join(' ')).toContain('The intervals of a and b overlap');
    expect(summarise(data).shows.join(' ')).not.toContain('overlap');
  });

  it('names the models that fail a check of honesty', () => {
    expect(summarise(data).doesNotShow.join(' ')).toContain('The curves of trades-10000 fail a check');
  });

  it.each(['exhaustive', 'ascending', 'bisect'])('says how the strategy %s attacks', (strategy) => {
    const models = data.models.map((model) => ({ ...model, profile: { ...model.profile, strategy } }));
    expect(summarise({ ...data, models }).shows[0]).toMatch(
      { exhaustive: /on its own/, ascending: /budget after budget/, bisect: /narrowing/ }[strategy] as RegExp,
    );
  });
});

describe('reportArtifacts', () => {
  it('gives equal bytes for equal data under the names of the store', async () => {
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
