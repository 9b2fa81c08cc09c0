import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DatasetSelection, decodeTensor, ModelFormat } from '@percept/contracts';
import type { Samples } from '@percept/measures';
import { engineNames, selectEngine } from '@percept/tensor';
import { type Command, Option } from 'commander';
import { UsageError } from '../exit-code.js';
import { parseCount, print, withClient, withClientOptions } from '../global-options.js';
import type { PerceptClient } from '../percept-client.js';
import { ProgressDisplay } from '../progress-display.js';
import { type StoredModel, type VerifiedModel, verifyReport, weightsFile } from '../verify-report.js';

/** A report that does not hold what it says. */
export class ReportRefutedError extends Error {
  constructor(models: readonly VerifiedModel[]) {
    const wrong = models.filter(({ failures }) => failures.length > 0);
    super(`the report is refuted for ${wrong.map(({ name }) => name).join(', ')}`);
    this.name = 'ReportRefutedError';
  }
}

/** Failures shown per model; the rest are counted. */
const shownFailures = 10;

/** `percept verify`: re-checks every witness of a report by an independent forward pass. */
export function addVerify(program: Command): void {
  withClientOptions(
    program.command('verify <report>').description("re-check every witness of a report's folder on another engine"),
  )
    .addOption(new Option('--engine <engine>', 'the engine of the forward passes').choices(engineNames).default('cpu'))
    .option('--model <name...>', 'models of the report to check (default: all)')
    .option(
      '--weights <model=file...>',
      'weights as safetensors in place of those in the folder (weights-MODEL.safetensors) or the registry',
    )
    .option('--every <n>', 'check every so many witnesses only', parseCount, 1)
    .action(async (folder: string, options) => {
      const files = new Map(((options.weights as string[] | undefined) ?? []).map(parseWeights));
      if (options.every < 1) throw new UsageError('--every must be at least 1');
      await selectEngine({ engine: options.engine });
      await withClient(options, async (client, signal) => {
        const display = new ProgressDisplay();
        const models = await verifyReport(folder, sourcesOf(client, folder, files, signal), {
          ...(options.model === undefined ? {} : { models: options.model as string[] }),
          every: options.every,
          signal,
          onProgress: (model, done, total) =>
            display.update(model, {
              label: model,
              fraction: total === 0 ? 1 : done / total,
              note: `${done} of ${total} witnesses`,
              state: done === total ? 'done' : 'running',
            }),
        }).finally(() => display.finish());
        print(options, { engine: options.engine, every: options.every, models }, () => models.map(describe).join('\n'));
        if (models.some(({ failures }) => failures.length > 0)) throw new ReportRefutedError(models);
      });
    });
}

function parseWeights(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at < 1) throw new UsageError(`--weights "${text}" is no model=file`);
  return [text.slice(0, at), text.slice(at + 1)];
}

function describe({ name, witnesses, checked, failures }: VerifiedModel): string {
  if (failures.length === 0)
    return `✓ ${name}: ${checked === witnesses ? `all ${checked}` : `${checked} of ${witnesses}`} witnesses hold`;
  const more = failures.length > shownFailures ? [`  and ${failures.length - shownFailures} more`] : [];
  return [`✗ ${name}`, ...failures.slice(0, shownFailures).map((failure) => `  ${failure}`), ...more].join('\n');
}

function sourcesOf(
  client: PerceptClient,
  folder: string,
  files: ReadonlyMap<string, string>,
  signal: AbortSignal,
): Parameters<typeof verifyReport>[1] {
  return {
    splitDigest: async (name, split) => {
      const { dataset } = await client.dataset.get({ name }, { signal });
      return dataset?.splits.find((one) => one.name === split)?.digest ?? '';
    },
    samples: async (dataset, split, ids): Promise<Samples> => {
      const selection = DatasetSelection.fromPartial({ dataset, split, indices: [...ids] });
      const { images, labels, indices } = await client.dataset.getSamples({ selection }, { signal });
      const aligned = images && { ...images, data: new Uint8Array(images.data) };
      const pixels = decodeTensor(aligned, 'images', { dtypes: ['FLOAT32'] }).data as Float32Array;
      return { images: pixels, labels: Int32Array.from(labels), ids: Int32Array.from(indices) };
    },
    weights: async (model) => {
      const file = files.get(model.name);
      if (file !== undefined) return new Uint8Array(await readFile(file));
      const carried = path.join(folder, weightsFile(model.name));
      if (existsSync(carried)) return new Uint8Array(await readFile(carried));
      return await registeredWeights(client, model, signal);
    },
  };
}

async function registeredWeights(
  client: PerceptClient,
  { name, digest }: StoredModel,
  signal: AbortSignal,
): Promise<Uint8Array> {
  for (let pageToken = ''; ; ) {
    const page = await client.models.list({ name: '', pageSize: 1_000, pageToken }, { signal });
    const found = page.models.find((model) => model.digest === digest);
    if (found !== undefined) {
      const chunks: Uint8Array[] = [];
      const request = { model: found.id, format: ModelFormat.SAFETENSORS };
      for await (const { chunk } of client.models.export(request, { signal })) if (chunk) chunks.push(chunk.data);
      return new Uint8Array(Buffer.concat(chunks));
    }
    pageToken = page.nextPageToken;
    if (pageToken === '')
      throw new UsageError(
        `no registered model has the weights ${digest} of ${name}; give them by --weights ${name}=FILE`,
      );
  }
}
