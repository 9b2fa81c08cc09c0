import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Embedded, startEmbedded } from '../src/hosting/embedded.js';
import { main } from '../src/main.js';

let folder: string;
let embedded: Embedded;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'percept-cli-'));
  embedded = await startEmbedded({
    dataFolder: folder,
    host: '127.0.0.1',
    port: 0,
    workers: 1,
    threads: 1,
    dashboard: undefined,
    logLevel: 'fatal',
    outbound: [{ host: '127.0.0.1', port: '*', tls: false }],
  });
  await writeFile(path.join(folder, 'broken.png'), 'no image');
  await writeFile(path.join(folder, 'broken.pt'), 'no checkpoint');
});

afterAll(async () => {
  await embedded?.close();
  await rm(folder, { recursive: true, force: true });
});

/** Runs the command and answers with its exit code and what it said to people. */
async function percept(...args: string[]): Promise<{ code: number; said: string }> {
  let said = '';
  const listen = vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += String(text);
    return true;
  });
  try {
    return { code: await main([...args, '--data-folder', folder]), said };
  } finally {
    listen.mockRestore();
  }
}

const samples = ['--dataset', 'mnist-5k', '--count', '1', '--target', '3'];

describe('the percept command, on bad input', () => {
  it.each<[string, () => string[], number, RegExp]>([
    ['an unknown command', () => ['fly'], 2, /unknown command 'fly'/],
    ['an unknown model', () => ['models', 'show', 'nobody'], 1, /NOT_FOUND: there is no model nobody/],
    [
      'an unknown data set',
      () => ['data', 'show', 'nothing'],
      1,
      /NOT_FOUND: there is no data set "nothing"; there are mnist-5k/,
    ],
    ['a recipe that is none', () => ['train', '--recipe', 'alchemy'], 2, /--recipe: .*alchemy/],
    [
      'a name that is none',
      () => ['train', '--recipe', 'standard', '--name', 'No Name', '--epochs', '0'],
      2,
      /the command line is not sound:\n {2}--epochs: .*\n {2}--name: /,
    ],
    [
      'a parameter that there is not',
      () => ['train', '--recipe', 'pgd', '--parameter', 'gold=1'],
      2,
      /--parameter\S*gold/,
    ],
    [
      'a number that is none',
      () => ['attack', 'targeted', '--model', 'm', ...samples, '--epsilon', 'wide'],
      2,
      /"wide" is no number/,
    ],
    [
      'a file that is no image',
      () => ['attack', 'targeted', '--model', 'm', '--target', '1', '--image', path.join(folder, 'broken.png')],
      2,
      /broken\.png is no sound PNG/,
    ],
    [
      'a file that is no checkpoint',
      () => ['models', 'import', 'mine', path.join(folder, 'broken.pt'), '--dataset', 'mnist-5k'],
      2,
      /the command line is not sound:\n {2}<file>: not a readable PyTorch checkpoint/,
    ],
    [
      'a file that is not there',
      () => ['models', 'import', 'mine', 'none.pt', '--dataset', 'mnist-5k'],
      2,
      /none\.pt cannot be read: there is no such file/,
    ],
    ['a folder that is not there', () => ['data', 'import', 'mine', 'nowhere'], 2, /there is no nowhere/],
    [
      'an endpoint that services may not connect to',
      () => [
        'attack',
        'targeted',
        '--model',
        'm',
        '--method',
        'square',
        '--endpoint',
        'models.example.org:1',
        ...samples,
      ],
      1,
      /models\.example\.org:1 is not on .* allow-list; its operator can add it to PERCEPT_OUTBOUND_ALLOW/,
    ],
    [
      'an endpoint that is down',
      () => ['attack', 'targeted', '--model', 'm', '--method', 'square', '--endpoint', '127.0.0.1:1', ...samples],
      3,
      /^(?!.*percept up).*the inference endpoint 127\.0\.0\.1:1 is not available: ECONNREFUSED; try again/,
    ],
    [
      'an endpoint and an attack that needs gradients',
      () => ['attack', 'targeted', '--model', 'm', '--method', 'fab', '--endpoint', '127.0.0.1:1', ...samples],
      2,
      / {2}--method: fab needs gradients/,
    ],
    [
      'an output without an endpoint',
      () => ['attack', 'targeted', '--model', 'm', '--output', 'logits', ...samples],
      2,
      /--output go with --endpoint/,
    ],
    ['services that are not up', () => ['jobs', 'list', '--address', '127.0.0.1:1'], 3, /start them with: percept up/],
  ])('answers %s with one sentence and its exit code', async (_, args, code, message) => {
    const answer = await percept(...args());
    expect(answer.said).toMatch(message);
    expect(answer.code).toBe(code);
    expect(answer.said).not.toMatch(/\n\s+at /);
  });

  describe('refused by the services', () => {
    beforeAll(async () => {
      const small = [
        '--preset',
        'quickstart',
        '--width',
        '2',
        '--blocks',
        '1,1,1,1',
        '--epochs',
        '1',
        '--limit',
        '100',
      ];
      const quiet = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
      expect((await percept('train', '--recipe', 'standard', '--name', 'tiny', ...small)).code).toBe(0);
      quiet.mockRestore();
    });

    const targeted = ['attack', 'targeted', '--model', 'tiny'];
    it.each<[string, string[], string[]]>([
      [
        'the settings of an attack',
        [...targeted, ...samples, '--steps', '0', '--restarts', '9999', '--norm', '0.5', '--epsilon', '-1'],
        ['--epsilon', '--norm', '--restarts', '--steps'],
      ],
      ['the settings of another method', [...targeted, ...samples, '--method', 'square', '--keep', 'last'], ['--keep']],
      ['a method that is none', [...targeted, ...samples, '--method', 'magic'], ['--method']],
      ['a relative step', [...targeted, ...samples, '--relative-step', '-1'], ['--step or --relative-step']],
      [
        'a target that is no class',
        [...targeted, '--dataset', 'mnist-5k', '--count', '1', '--target', '11'],
        ['--target'],
      ],
      ['too many targets', [...targeted, '--dataset', 'mnist-5k', '--count', '3', '--target', '1,2'], ['--target']],
      [
        'samples that are not there',
        [...targeted, '--dataset', 'mnist-5k', '--indices', '7,99999', '--target', '1'],
        ['--indices'],
      ],
      ['too many samples', [...targeted, '--dataset', 'mnist-5k', '--count', '4000', '--target', '1'], ['--count']],
      ['too much noise', [...targeted, '--noise', '2000', '--target', '1'], ['--noise']],
      ['noise without labels', ['attack', 'untargeted', '--model', 'tiny', '--noise', '1'], ['--label']],
      [
        'the settings of a report',
        [
          'evaluate',
          'tiny',
          'tiny',
          '--grid',
          '0.1,0.2',
          '--steps',
          '0',
          '--restarts',
          '0',
          '--recognizability',
          '99999',
          '--inversion-steps',
          '0',
        ],
        ['--grid', '--inversion-steps', '--recognizability', '--restarts', '--steps', '<model>'],
      ],
      ['judges of one model', ['evaluate', 'tiny', '--recognizability', '4'], ['--judge']],
      [
        'the settings of an import of images',
        ['data', 'import', 'No Name', import.meta.dirname, '--size', '9999', '--test-fraction', '7'],
        ['--size', '--test-fraction', '<name>'],
      ],
      [
        'an import of the servers’ own files',
        ['data', 'import', 'mine', '--server-entry', '../etc'],
        ['--server-entry'],
      ],
      [
        'the name of an imported model',
        ['models', 'import', 'No Name', 'FOLDER/broken.pt', '--dataset', 'mnist-5k'],
        ['<name>'],
      ],
      ['a model that is none', ['models', 'show', 'No Name!'], ['<model>']],
      ['a single report', ['reports', 'compare', 'a', ...Array.from({ length: 17 }, (_, i) => `r${i}`)], ['<id>']],
    ])('%s are told by the command’s own options and arguments', async (_, args, options) => {
      const { code, said } = await percept(...args.map((arg) => arg.replace('FOLDER', folder)));
      expect(said).toMatch(/^percept: the command line is not sound:\n/);
      const told = said.split('\n').flatMap((line) => /^ {2}(.+?)[:.[]/.exec(line)?.[1] ?? []);
      expect([...new Set(told)].sort()).toEqual(options);
      expect(code).toBe(2);
    });
  });

  it('leaves with 0 after work done', async () => {
    const quiet = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      expect((await percept('jobs', 'list')).code).toBe(0);
    } finally {
      quiet.mockRestore();
    }
  });
});
