import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { DatasetFormat, DatasetImportHeader, type DatasetImportRequest, fileChunks } from '@percept/contracts';
import { type Command, Option } from 'commander';
import { type FieldFlags, namingFlags, UsageError } from '../exit-code.js';
import { parseCount, parseNumber, print, withClient, withClientOptions } from '../global-options.js';
import { formatTable } from '../table.js';

/** Which option or argument sets a field of an import. */
const importFlags: FieldFlags = {
  'header.name': '<name>',
  'header.format': '--format',
  'header.source': '<path>',
  'header.upload': '<path>',
  chunk: '<path>',
  'header.download': '--download',
  'header.server_entry': '--server-entry',
  'header.image_size': '--size',
  'header.test_fraction': '--test-fraction',
  'header.seed': '--seed',
};

/** `percept data list | show | import`. */
export function addData(program: Command): void {
  const data = program.command('data').description('data sets');
  withClientOptions(data.command('list').description('list the data sets')).action(async (options) => {
    await withClient(options, async ({ dataset }) => {
      const { datasets } = await dataset.list({});
      print(options, datasets, () =>
        formatTable(
          ['name', 'classes', 'size', 'samples', 'ready', 'source'],
          datasets.map((one) => [
            one.name,
            one.classNames.length,
            `${one.height}x${one.width}x${one.channels}`,
            one.splits.map((split) => `${split.name} ${split.samples}`).join(', '),
            one.available ? 'yes' : 'no',
            one.source,
          ]),
        ),
      );
    });
  });
  withClientOptions(data.command('show <name>').description('describe one data set')).action(
    async (name: string, options) => {
      await withClient(options, async ({ dataset }) => {
        const { dataset: one } = await namingFlags({ name: '<name>' }, dataset.get({ name }));
        print(options, one, () => JSON.stringify(one, null, 2));
      });
    },
  );
  withClientOptions(
    data
      .command('import <name> [path]')
      .description('add a data set: a folder of PNG images by class, CIFAR-10, or IDX files'),
  )
    .addOption(
      new Option('--format <format>', 'how the files are laid out').choices(Object.keys(formats)).default('images'),
    )
    .option('--server-entry <name>', "import this entry of the services' data folder instead of a path of this machine")
    .option('--download', "have the services fetch CIFAR-10's official archive", false)
    .option('--size <n>', 'height and width that images are scaled to', parseCount, 32)
    .option(
      '--test-fraction <f>',
      'share of the images that becomes the test split where there are no splits',
      parseNumber,
      0.2,
    )
    .option('--seed <n>', 'seed of that division', parseCount, 0)
    .action(async (name: string, from: string | undefined, options) => {
      const given = [from, options.serverEntry, options.download || undefined].filter((one) => one !== undefined);
      if (given.length !== 1) throw new UsageError('give exactly one of a path, --server-entry and --download');
      const files = from === undefined ? undefined : await readTree(from);
      const header = DatasetImportHeader.fromPartial({
        name,
        format: formats[options.format as keyof typeof formats],
        source: importSource(files, options),
        testFraction: options.testFraction,
        seed: options.seed,
        imageSize: options.size,
      });
      const parts = function* (): Generator<DatasetImportRequest> {
        yield { part: { $case: 'header', value: header } };
        for (const [file, bytes] of files ?? [])
          for (const value of fileChunks(file, bytes)) yield { part: { $case: 'chunk', value } };
      };
      await withClient(options, async ({ dataset }, signal) => {
        const imported = dataset.import(parts(), { signal, timeoutMs: 600_000 });
        const { dataset: one } = await namingFlags(importFlags, imported);
        print(
          options,
          one,
          () => `${one?.name}: ${one?.splits.map((split) => `${split.name} ${split.samples}`).join(', ')}`,
        );
      });
    });
}

const formats = {
  images: DatasetFormat.IMAGE_FOLDER,
  cifar10: DatasetFormat.CIFAR10_BINARY,
  'cifar10-archive': DatasetFormat.CIFAR10_ARCHIVE,
  idx: DatasetFormat.MNIST_IDX,
} as const;

function importSource(
  files: ReadonlyMap<string, Uint8Array> | undefined,
  { serverEntry }: { readonly serverEntry?: string },
): Exclude<DatasetImportHeader['source'], undefined> {
  if (files !== undefined) {
    const totalBytes = [...files.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    return { $case: 'upload', value: { files: files.size, totalBytes } };
  }
  if (serverEntry !== undefined) return { $case: 'serverEntry', value: serverEntry };
  return { $case: 'download', value: {} };
}

/** The files of a path: the file itself, or everything below a folder, by its path in it. @throws UsageError. */
async function readTree(from: string): Promise<ReadonlyMap<string, Uint8Array>> {
  try {
    if ((await stat(from)).isFile()) return new Map([[path.basename(from), await readFile(from)]]);
    const entries = await readdir(from, { recursive: true, withFileTypes: true });
    const names = entries
      .filter((entry) => entry.isFile() && !entry.name.startsWith('.'))
      .map((entry) => path.relative(from, path.join(entry.parentPath, entry.name)))
      .sort();
    if (names.length === 0) throw new UsageError(`${from} holds no files`);
    const files = new Map<string, Uint8Array>();
    for (const name of names) files.set(name.split(path.sep).join('/'), await readFile(path.join(from, name)));
    return files;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(code === 'ENOENT' ? `there is no ${from}` : `${from} cannot be read: ${message}`);
  }
}
