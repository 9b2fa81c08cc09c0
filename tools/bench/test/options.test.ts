import { describe, expect, test } from 'vitest';
import { BenchUsageError, parseBenchOptions } from '../src/options.js';
import { percentile, summarise } from '../src/summary.js';

describe('the options of the benchmarks', () => {
  test('have defaults: width 64, batch 64, two threads, no peer', () => {
    expect(parseBenchOptions(['pgd-step'])).toMatchObject({
      names: ['pgd-step'],
      peer: 'none',
      width: 64,
      batch: 64,
      threads: 2,
      precision: 'float32',
    });
  });

  test('come in any order around the names', () => {
    const options = parseBenchOptions([
      '--width',
      '8',
      'pgd-step',
      '--peer',
      'torch',
      'train-step',
      '--json',
      'out.json',
    ]);
    expect(options).toMatchObject({ names: ['pgd-step', 'train-step'], width: 8, peer: 'torch', json: 'out.json' });
  });

  test('name models, images, a budget and steps for the attacks', () => {
    const args = [
      'autoattack',
      '--peer',
      'torchattacks',
      '--models',
      'a,b',
      '--images',
      '200',
      '--epsilon',
      '0.2',
      '--steps',
      '10',
    ];
    expect(parseBenchOptions(args)).toMatchObject({
      peer: 'torchattacks',
      models: ['a', 'b'],
      images: 200,
      epsilon: 0.2,
      steps: 10,
      dataFolder: '.percept/quickstart',
    });
  });

  test.each([
    ['a size that is no number', ['--width', 'wide']],
    ['a size of zero', ['--batch', '0']],
    ['an unknown peer', ['--peer', 'jax']],
    ['a budget of nothing', ['--epsilon', '0']],
    ['no steps', ['--steps', '0']],
    ['no images', ['--images', '0']],
    ['an unknown engine', ['--engine', 'gpu']],
    ['an unknown precision', ['--precision', 'float16']],
    ['an unknown option', ['--speed', '9']],
  ])('refuse %s', (_name, args) => {
    expect(() => parseBenchOptions(args)).toThrow(BenchUsageError);
  });
});

describe('the summary of timings', () => {
  test.each([
    [[3, 1, 2], { median: 2, min: 1, max: 3 }],
    [[4, 1, 2, 3], { median: 2.5, min: 1, max: 4 }],
    [[5], { median: 5, min: 5, max: 5 }],
  ])('of %j is %j', (seconds, expected) => {
    expect(summarise(seconds)).toEqual(expected);
  });

  test('needs at least one timing', () => {
    expect(() => summarise([])).toThrow(RangeError);
  });
});

describe('percentile', () => {
  test.each([
    [0.5, 2],
    [0.75, 3],
    [0.99, 4],
    [1, 4],
    [0, 1],
  ])('gives at %d the smallest value that enough values do not exceed', (share, expected) => {
    expect(percentile([3, 1, 4, 2], share)).toBe(expected);
  });

  test('refuses an empty list', () => {
    expect(() => percentile([], 0.5)).toThrow(RangeError);
  });
});
