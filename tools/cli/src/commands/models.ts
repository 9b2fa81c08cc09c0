import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  type FileChunk,
  fileChunks,
  joinFileChunks,
  ModelFormat,
  ModelsImportHeader,
  type ModelsImportRequest,
} from '@percept/contracts';
import { type Command, Option } from 'commander';
import { type FieldFlags, namingFlags, UsageError } from '../exit-code.js';
import { print, withClient, withClientOptions } from '../global-options.js';
import { formatTable } from '../table.js';

const modelFlags: FieldFlags = { model: '<model>' };

/** Which option or argument sets a field of an import; sizes and class names are those of the data set. */
const importFlags: FieldFlags = {
  'header.name': '<name>',
  'header.description': '--description',
  'header.spec': '--dataset',
  'header.class_names': '--dataset',
  header: '<file>',
  chunk: '<file>',
};

/** `percept models list | show | export | import | delete`. */
export function addModels(program: Command): void {
  const models = program.command('models').description('trained models');
  withClientOptions(models.command('list').description('list the models')).action(async (options) => {
    await withClient(options, async (client) => {
      const { models: found } = await client.models.list({ name: '', pageSize: 1_000, pageToken: '' });
      print(options, found, () =>
        formatTable(
          ['name', 'version', 'recipe', 'preset', 'data set', 'test accuracy', 'id', 'digest'],
          found.map((model) => [
            model.name,
            model.version,
            model.training?.recipe ?? '',
            model.training?.preset ?? '',
            model.training?.dataset ?? '',
            model.metrics['test_accuracy'] === undefined
              ? ''
              : `${(model.metrics['test_accuracy'] * 100).toFixed(1)} %`,
            model.id,
            model.digest.slice(0, 12),
          ]),
        ),
      );
    });
  });
  withClientOptions(models.command('show <model>').description('describe one model')).action(
    async (model: string, options) => {
      await withClient(options, async (client) => {
        const { model: found } = await namingFlags(modelFlags, client.models.get({ model }));
        print(options, found, () => JSON.stringify(found, null, 2));
      });
    },
  );
  withClientOptions(
    models.command('export <model> <target>').description('write a file of weights, or with tfjs a folder'),
  )
    .addOption(
      new Option('--format <format>', 'safetensors, onnx or tfjs')
        .choices(Object.keys(exportFormats))
        .default('safetensors'),
    )
    .action(async (model: string, target: string, options) => {
      const format = exportFormats[options.format as keyof typeof exportFormats];
      await withClient(options, async (client, signal) => {
        const chunks = async function* (): AsyncGenerator<FileChunk> {
          for await (const { chunk } of client.models.export({ model, format }, { signal })) if (chunk) yield chunk;
        };
        const writeAll = async (): Promise<{ file: string; bytes: number }[]> => {
          const files: { file: string; bytes: number }[] = [];
          for await (const { name, bytes } of joinFileChunks(chunks(), { maxBytes: 2 ** 31, maxFiles: 2 })) {
            const file = format === ModelFormat.TFJS ? path.join(target, path.basename(name)) : target;
            await mkdir(path.dirname(file), { recursive: true });
            await writeFile(file, bytes);
            files.push({ file, bytes: bytes.byteLength });
          }
          return files;
        };
        const written = await namingFlags(modelFlags, writeAll());
        print(options, written, () => written.map(({ file, bytes }) => `${file}: ${bytes} bytes`).join('\n'));
      });
    });
  withClientOptions(
    models
      .command('import <name> <file>')
      .description('register weights made elsewhere: safetensors, or a PyTorch checkpoint'),
  )
    .requiredOption('--dataset <name>', 'the data set whose image size, normalisation and class names the model takes')
    .option('--description <text>', 'free text', '')
    .action(async (name: string, file: string, options) => {
      const format = importFormat(file);
      const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
        throw new UsageError(
          `${file} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
        );
      });
      await withClient(options, async (client, signal) => {
        const { dataset } = await client.dataset.get({ name: options.dataset });
        const header = ModelsImportHeader.fromPartial({
          name,
          format,
          spec: {
            height: dataset?.height ?? 0,
            widthPixels: dataset?.width ?? 0,
            mean: dataset?.defaults?.mean ?? [],
            std: dataset?.defaults?.std ?? [],
          },
          classNames: dataset?.classNames ?? [],
          description: options.description,
          sizeBytes: bytes.byteLength,
        });
        const parts = function* (): Generator<ModelsImportRequest> {
          yield { part: { $case: 'header', value: header } };
          for (const chunk of fileChunks(path.basename(file), bytes)) yield { part: { $case: 'chunk', value: chunk } };
        };
        const imported = client.models.import(parts(), { signal, timeoutMs: 600_000 });
        const { model } = await namingFlags(importFlags, imported);
        print(options, model, () => `${model?.name}@${model?.version}  ${model?.id}`);
      });
    });
  withClientOptions(models.command('delete <model>').description('delete a model')).action(
    async (model: string, options) => {
      await withClient(options, async (client) => {
        await namingFlags(modelFlags, client.models.delete({ requestId: '', model }));
        print(options, { deleted: model }, () => `deleted ${model}`);
      });
    },
  );
}

const exportFormats = {
  safetensors: ModelFormat.SAFETENSORS,
  onnx: ModelFormat.ONNX,
  tfjs: ModelFormat.TFJS,
} as const;

const importFormats: Readonly<Record<string, ModelFormat>> = {
  '.safetensors': ModelFormat.SAFETENSORS,
  '.pt': ModelFormat.PYTORCH,
  '.pth': ModelFormat.PYTORCH,
  '.ckpt': ModelFormat.PYTORCH,
};

function importFormat(file: string): ModelFormat {
  const format = importFormats[path.extname(file)];
  if (format === undefined)
    throw new UsageError(`${file}: the name must end in one of ${Object.keys(importFormats).join(', ')}`);
  return format;
}
