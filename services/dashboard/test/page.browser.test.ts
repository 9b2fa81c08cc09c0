import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { JobState, LogLevel } from '@percept/contracts';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { build } from 'vite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dashboard, startDashboard } from '../src/index.js';
import { type JobBoundary, startJobBoundary } from './job-boundary.js';

const chromiumPath = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const there = existsSync(chromiumPath) && spawnSync(chromiumPath, ['--version']).status === 0;
if (!there && process.env['CI'] !== undefined) throw new Error(`no browser at ${chromiumPath}`);
if (!there) console.warn(`skipping the browser tests: no browser at ${chromiumPath}; CHROMIUM names another`);
const pictures = process.env['SCREENSHOTS'];

const poll: typeof expect.poll = (look) => expect.poll(look, { timeout: 15_000 });

/** A digit-like picture: a bright bar whose place tells the class. */
function pictureBytes(count: number, strength: number): Uint8Array {
  const side = 28;
  const bytes = new Uint8Array(count * side * side);
  for (let index = 0; index < count; index++) {
    for (let row = 4; row < 24; row++) {
      for (let column = 2 + 2 * index; column < 6 + 2 * index; column++) {
        bytes[index * side * side + row * side + column] = strength;
      }
    }
  }
  return bytes;
}

function fill(boundary: JobBoundary): void {
  const recipes = ['standard', 'pgd', 'trades', 'mart', 'fast'];
  recipes.forEach((recipe, index) => {
    boundary.putJob({
      id: `job-${recipe}`,
      kind: 'training',
      state: index === 1 ? JobState.RUNNING : index === 2 ? JobState.QUEUED : JobState.SUCCEEDED,
      createTime: new Date(Date.now() - 60_000 * (9 - index)),
      ...(index === 2 ? {} : { startTime: new Date(Date.now() - 55_000 * (9 - index)) }),
      ...(index === 1 || index === 2 ? {} : { endTime: new Date(Date.now() - 30_000 * (9 - index)) }),
      spec: {
        spec: {
          $case: 'training',
          value: {
            recipe,
            preset: 'paper',
            dataset: 'mnist-sample',
            parameters: { epsilon: 0.2, steps: 10 },
            width: 8,
          },
        },
      },
      ...(index === 2
        ? {}
        : {
            progress: { fraction: 0.6, done: 240, total: 400, unit: 'steps', etaSeconds: 74, message: 'epoch 3 of 5' },
          }),
      worker: 'worker-1',
      attempt: 1,
      environment: { engine: 'native 0.1.0', path: 'avx512', threads: '2', processor: 'a processor of two cores' },
    });
    boundary.addModel({
      id: `0123456789abcde${index}`,
      name: recipe,
      version: 1,
      digest: `${index}f8e7d6c5b4a`.repeat(5),
      sizeBytes: 712_344,
      metrics: { clean_accuracy: 0.98 - 0.01 * index, train_loss: 0.1 },
      createTime: new Date(Date.now() - 100_000),
      training: { recipe, dataset: 'mnist-sample', jobId: `job-${recipe}`, epochs: 5 },
    });
  });
  boundary.putJob({
    id: 'job-broken',
    kind: 'profile',
    state: JobState.FAILED,
    error: { code: 'FAILED_PRECONDITION', message: 'The weights of model pgd are corrupt.' },
  });
  boundary.putJob({
    id: 'job-report',
    kind: 'report',
    state: JobState.SUCCEEDED,
    endTime: new Date(),
    spec: { spec: { $case: 'report', value: { models: recipes.map((displayName) => ({ displayName })) } } },
    result: { result: { $case: 'report', value: { reportId: 'report-1' } } },
  });
  const svg = Buffer.from(
    '<svg xmlns="http://www.w3.org/2000/svg" width="600" height="300"><path d="M20 20 L580 260" stroke="navy"/></svg>',
  );
  boundary.addReport('report-1', { models: recipes }, { 'figures/figure-4-1.svg': ['image/svg+xml', svg] });
  for (let step = 0; step < 240; step++) {
    boundary.emit('job-pgd', {
      $case: 'metrics',
      value: {
        step,
        epoch: step / 80,
        model: '',
        metrics: [
          { name: 'train_loss', value: 2.3 * Math.exp(-step / 70) + 0.1 * Math.sin(step * 1.7) ** 2 },
          { name: 'train_accuracy', value: 1 - 0.9 * Math.exp(-step / 50) },
          { name: 'learning_rate', value: 0.2 * Math.min(step / 100, (400 - step) / 300) },
        ],
      },
    });
    if (step % 40 === 0) {
      const level = step === 120 ? LogLevel.WARNING : LogLevel.INFO;
      boundary.emit('job-pgd', { $case: 'log', value: { level, message: `step ${step} of 400` } });
    }
  }
  recipes.forEach((model, index) => {
    for (let point = 0; point <= 20; point++) {
      const epsilon = point * 0.02;
      const accuracy = 0.98 / (1 + Math.exp((epsilon - 0.08 * (index + 1)) * 30));
      boundary.emit('job-report', {
        $case: 'profilePoint',
        value: { model, epsilon, accuracy, samples: 1_000, lower: 0, upper: 1, provisional: false },
      });
    }
    for (const step of [0, 20, 50]) {
      boundary.emit('job-report', {
        $case: 'gallery',
        value: {
          gallery: 'figure-4.2',
          group: model,
          step,
          totalSteps: 50,
          images: { dtype: 3, shape: [10, 28, 28, 1], data: pictureBytes(10, 40 + 4 * step) },
          slots: Array.from({ length: 10 }, (_, slot) => String(slot)),
          captions: Array.from({ length: 10 }, (_, slot) => `${slot} · ${(0.9 + slot / 100).toFixed(2)}`),
          successes: Array.from({ length: 10 }, (_, slot) => slot !== 3),
        },
      });
    }
  });
}

describe.skipIf(!there)('the page in a browser', () => {
  let boundary: JobBoundary;
  let dashboard: Dashboard;
  let browser: Browser;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'dashboard-browser-'));
    const root = fileURLToPath(new URL('..', import.meta.url));
    await build({
      configFile: path.join(root, 'vite.config.ts'),
      root: path.join(root, 'page'),
      logLevel: 'error',
      build: { outDir: folder, emptyOutDir: true },
    });
    boundary = await startJobBoundary();
    fill(boundary);
    const { address } = boundary;
    dashboard = await startDashboard({
      endpoints: { dataset: address, training: address, attack: address, evaluation: address },
      pageFolder: folder,
      pollMilliseconds: 100,
    });
    browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox'] });
  }, 60_000);

  afterAll(async () => {
    await browser?.close();
    await dashboard?.close();
    boundary?.stop();
    if (folder !== undefined) await rm(folder, { recursive: true });
  });

  async function visit<T>(
    hash: string,
    options: BrowserContextOptions,
    look: (page: Page) => Promise<T>,
    picture?: string,
  ): Promise<T> {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    try {
      const page = await context.newPage();
      const problems: string[] = [];
      page.on('console', (message) => {
        if (message.type() === 'error') problems.push(message.text());
      });
      page.on('pageerror', (error) => problems.push(error.message));
      await page.goto(`${dashboard.url}${hash}`);
      const seen = await look(page);
      if (pictures !== undefined && picture !== undefined) {
        await page.screenshot({ path: path.join(pictures, `${picture}.png`), fullPage: true });
      }
      expect(problems).toEqual([]);
      return seen;
    } finally {
      await context.close();
    }
  }

  async function drawnPixels(page: Page, title: string): Promise<number> {
    const canvas = page.locator('.chart', { hasText: title }).locator('canvas').first();
    await canvas.waitFor();
    return canvas.evaluate((element) => {
      const { data } = (element as unknown as Canvas).getContext('2d').getImageData(0, 0, 4_000, 4_000);
      let coloured = 0;
      for (let index = 0; index < data.length; index += 4) {
        const [red = 0, green = 0, blue = 0, alpha = 0] = data.subarray(index, index + 4);
        if (alpha > 200 && Math.max(red, green, blue) - Math.min(red, green, blue) > 60) coloured++;
      }
      return coloured;
    });
  }

  interface Canvas {
    getContext(kind: '2d'): { getImageData(x: number, y: number, w: number, h: number): { data: Uint8ClampedArray } };
  }

  it('shows every job with its state and progress', async () => {
    await visit(
      '',
      {},
      async (page) => {
        const row = page.locator('tr', { hasText: 'job-pgd' });
        await row.waitFor();
        expect(await row.innerText()).toMatch(/running[\s\S]*training[\s\S]*60 %, 1 min 14 s left/);
        expect(await page.locator('tbody tr').count()).toBe(7);
      },
      'jobs',
    );
  });

  it('keeps filter and order in the address, which reopens the same view', async () => {
    await visit('', {}, async (page) => {
      await page.getByRole('button', { name: 'running', exact: true }).click();
      await page.keyboard.press('/');
      await page.keyboard.type('pgd');
      await page.getByRole('button', { name: /^Duration/ }).click();
      await poll(() => page.locator('tbody tr').count()).toBe(1);
      const address = page.url();
      expect(address).toContain('state=running');
      expect(address).toContain('text=pgd');
      expect(address).toContain('sort=duration');
      await page.reload();
      await poll(() => page.locator('tbody tr').count()).toBe(1);
      expect(await page.locator('input[type=search]').inputValue()).toBe('pgd');
    });
  });

  it('draws the training curves and follows them live', async () => {
    await visit(
      '#/jobs/job-pgd',
      {},
      async (page) => {
        for (const title of ['Loss', 'Accuracy', 'Learning rate']) {
          await poll(() => drawnPixels(page, title)).toBeGreaterThan(150);
        }
        boundary.emit('job-pgd', {
          $case: 'metrics',
          value: { step: 240, epoch: 3, model: '', metrics: [{ name: 'train_loss', value: 0.123456 }] },
        });
        boundary.emit('job-pgd', { $case: 'log', value: { level: LogLevel.INFO, message: 'a line that comes late' } });
        await page.getByText('0.1235').waitFor();
        await page.getByText('a line that comes late').waitFor();
      },
      'job',
    );
  });

  it('smooths the curves and shows them on a logarithmic scale', async () => {
    await visit('#/jobs/job-pgd', {}, async (page) => {
      await page.locator('.controls input[type=range]').fill('0.9');
      await page.getByLabel('Log scale').check();
      await poll(() => drawnPixels(page, 'Loss')).toBeGreaterThan(150);
      expect(await page.locator('.controls output').innerText()).toBe('0.90');
    });
  });

  it('draws one profile per model and the gallery with its steps', async () => {
    await visit(
      '#/jobs/job-report',
      {},
      async (page) => {
        await poll(() => drawnPixels(page, 'Accuracy under attack')).toBeGreaterThan(500);
        await poll(() => page.locator('.legend li').count()).toBe(5);
        const images = page.locator('.picture img');
        await poll(() => images.count()).toBe(50);
        const source = (): Promise<string | null> => images.first().getAttribute('src');
        const last = await source();
        await page.locator('.step input').fill('0');
        await poll(source).not.toBe(last);
        expect(
          await images.first().evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth),
        ).toBe(28);
      },
      'report-job',
    );
  });

  it('cancels a job after a second look', async () => {
    boundary.putJob({ id: 'job-doomed', kind: 'training', state: JobState.RUNNING });
    try {
      await visit('#/jobs/job-doomed', {}, async (page) => {
        await page.getByRole('button', { name: 'Cancel job' }).click();
        await page.getByRole('button', { name: 'Really cancel?' }).click();
        await page.getByText('cancelling', { exact: true }).waitFor();
      });
    } finally {
      boundary.dropJob('job-doomed');
    }
  });

  it('says why a job failed', async () => {
    await visit('#/jobs/job-broken', {}, async (page) => {
      await page.getByRole('alert').getByText('The weights of model pgd are corrupt.').waitFor();
    });
  });

  it('shows models and a report with its figure', async () => {
    await visit('#/models', {}, (page) => page.getByText('98.0 %').waitFor(), 'models');
    await visit('#/models/0123456789abcde1', {}, (page) => page.getByText('weights.safetensors').waitFor(), 'model');
    await visit(
      '#/reports/report-1',
      {},
      async (page) => {
        const figure = page.getByRole('img', { name: 'figures/figure-4-1.svg' });
        await figure.waitFor();
        await poll(() => figure.evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth)).toBe(
          600,
        );
      },
      'report',
    );
  });

  it.each(['', '#/jobs/job-pgd', '#/jobs/job-report', '#/models', '#/models/0123456789abcde1', '#/reports/report-1'])(
    'fits a phone without scrolling sideways at /%s',
    async (hash) => {
      await visit(
        hash,
        { viewport: { width: 390, height: 844 } },
        async (page) => {
          await page.locator('main > *').first().waitFor();
          await page.waitForFunction('document.querySelector(".loading") === null');
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
        },
        `phone-${hash.replace(/\W+/g, '-')}`,
      );
    },
  );

  it('is light or dark as the reader prefers', async () => {
    const brightness = (page: Page): Promise<number> =>
      page.evaluate('Number(/\\d+/.exec(getComputedStyle(document.body).backgroundColor)[0])');
    expect(await visit('', { colorScheme: 'light' }, brightness)).toBeGreaterThan(200);
    expect(
      await visit(
        '#/jobs/job-pgd',
        { colorScheme: 'dark' },
        async (page) => {
          await poll(() => drawnPixels(page, 'Loss')).toBeGreaterThan(150);
          return brightness(page);
        },
        'job-dark',
      ),
    ).toBeLessThan(60);
  });

  it('says what to do where there are no jobs, and what is wrong where a service is away', async () => {
    const empty = await startJobBoundary();
    const { address } = empty;
    const own = await startDashboard({
      endpoints: { dataset: address, training: address, attack: address, evaluation: address },
      pageFolder: folder,
      pollMilliseconds: 100,
    });
    const context = await browser.newContext();
    try {
      const page = await context.newPage();
      await page.goto(own.url);
      await page.getByText('No jobs yet').waitFor();
      await page.getByText('percept train').waitFor();
      empty.stop();
      await page.getByText('does not answer; trying again').waitFor();
      await own.close();
      await page.getByText('Connection lost').waitFor();
      const again = await startDashboard({
        endpoints: { dataset: address, training: address, attack: address, evaluation: address },
        pageFolder: folder,
        port: own.port,
        pollMilliseconds: 100,
      });
      try {
        await poll(() => page.getByText('Connection lost').count()).toBe(0);
      } finally {
        await again.close();
      }
    } finally {
      await context.close();
      await own.close();
      empty.stop();
    }
  });
});
