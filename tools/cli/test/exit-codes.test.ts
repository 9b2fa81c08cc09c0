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
      /chunk: not a readable PyTorch checkpoint/,
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
      /options\.method: fab needs gradients/,
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

  it('leaves with 0 after work done', async () => {
    const quiet = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      expect((await percept('jobs', 'list')).code).toBe(0);
    } finally {
      quiet.mockRestore();
    }
  });
});
