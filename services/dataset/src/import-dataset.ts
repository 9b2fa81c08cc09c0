import {
  type DatasetDescription,
  DatasetFormat,
  type DatasetImportHeader,
  type DatasetImportRequest,
  type FileChunk,
  invalidArgument,
  joinFileChunks,
} from '@percept/contracts';
import { DatasetError } from '@percept/datasets';
import { type OutboundAllowList, Violations } from '@percept/platform';
import type { Catalogue } from './catalogue.js';
import { describeDataset } from './describe-dataset.js';
import { downloadCifar10 } from './download-cifar10.js';
import { parseImport } from './parse-import.js';
import { readServerEntry } from './server-entry.js';

/** Where imports come from besides the stream. */
export interface ImportSources {
  /** Folder of the operator whose entries may be imported by name. */
  readonly folder: string;
  /** Where CIFAR-10's official archive is, and its MD5 as published there. */
  readonly cifar10Archive: { readonly url: string; readonly md5: string };
  /** Where downloads may lead. */
  readonly outbound: OutboundAllowList;
}

/** The most bytes and files of an upload. */
const largestUpload = 1024 ** 3;
const mostFiles = 200_000;

const origins: Readonly<Record<number, string>> = {
  [DatasetFormat.CIFAR10_BINARY]: "CIFAR-10's binary files",
  [DatasetFormat.CIFAR10_ARCHIVE]: "CIFAR-10's official archive",
  [DatasetFormat.IMAGE_FOLDER]: 'an image folder',
  [DatasetFormat.MNIST_IDX]: 'IDX files',
};

/**
 * Reads an import's stream, checks header and files, and keeps the data set. Nothing is kept of an import that fails.
 *
 * @throws PerceptRpcError INVALID_ARGUMENT naming the field, ALREADY_EXISTS, NOT_FOUND, RESOURCE_EXHAUSTED, UNAVAILABLE.
 */
export async function importDataset(
  requests: AsyncIterable<DatasetImportRequest>,
  catalogue: Catalogue,
  sources: ImportSources,
  signal: AbortSignal,
): Promise<DatasetDescription> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const header = checkHeader(first.done || first.value.part?.$case !== 'header' ? undefined : first.value.part.value);
  const { name, requestId } = header;
  if ((await catalogue.claim(name, requestId)) === 'free') {
    try {
      const dataset = parseImport(header, await filesOf(header, iterator, sources, signal));
      await catalogue.keep({ ...dataset, requestId, origin: `imported from ${origins[header.format]}` });
    } catch (error) {
      if (error instanceof DatasetError) throw single(blamedField(header), error.message);
      throw error;
    }
  }
  return describeDataset(await catalogue.find(name), await catalogue.load(name));
}

function checkHeader(header: DatasetImportHeader | undefined): DatasetImportHeader {
  if (header === undefined) throw single('part', 'the first message must be the header');
  const violations = new Violations();
  violations.requestId(header.requestId, 'header.request_id');
  violations.resourceName(header.name, 'header.name');
  violations.check(
    header.format in origins,
    'header.format',
    'must be CIFAR10_BINARY, CIFAR10_ARCHIVE, IMAGE_FOLDER or MNIST_IDX',
  );
  const { source, testFraction = 0.2, imageSize = 32 } = header;
  switch (source?.$case) {
    case undefined:
      violations.add('header.source', 'must be download, upload or server_entry');
      break;
    case 'download':
      violations.check(
        header.format === DatasetFormat.CIFAR10_ARCHIVE,
        'header.download',
        'only CIFAR10_ARCHIVE has an address that this server knows',
      );
      break;
    case 'upload':
      violations.integer(source.value.files, 'header.upload.files', 1, mostFiles);
      violations.integer(source.value.totalBytes, 'header.upload.total_bytes', 1, largestUpload);
      break;
    case 'serverEntry':
      violations.check(
        /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/.test(source.value),
        'header.server_entry',
        'must be the name of an entry of the import folder: letters, digits, dots, - and _, no path',
      );
  }
  violations.check(
    testFraction > 0 && testFraction < 1,
    'header.test_fraction',
    `must lie in (0, 1), got ${testFraction}`,
  );
  violations.integer(imageSize, 'header.image_size', 8, 256);
  violations.throwIfAny();
  return header;
}

/** The files of an import by name. */
async function filesOf(
  { source }: DatasetImportHeader,
  rest: AsyncIterator<DatasetImportRequest>,
  { folder, cifar10Archive, outbound }: ImportSources,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Uint8Array>> {
  switch (source?.$case) {
    case 'upload':
      return await receiveFiles(rest, source.value);
    case 'serverEntry':
      return await readServerEntry(folder, source.value, largestUpload);
    default:
      return await downloadCifar10(cifar10Archive, outbound, signal);
  }
}

/** The field to blame for what is wrong with the files. */
function blamedField({ source }: DatasetImportHeader): string {
  return source?.$case === 'serverEntry' ? 'header.server_entry' : 'chunk';
}

async function receiveFiles(
  rest: AsyncIterator<DatasetImportRequest>,
  { files: count, totalBytes }: { readonly files: number; readonly totalBytes: number },
): Promise<ReadonlyMap<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for await (const { name, bytes } of joinFileChunks(chunksOf(rest), { maxBytes: totalBytes, maxFiles: count })) {
    if (files.has(name)) throw single('chunk.name', `${name} came twice`);
    files.set(name, bytes);
  }
  if (files.size !== count) throw single('header.upload.files', `says ${count}, but ${files.size} came`);
  return files;
}

async function* chunksOf(rest: AsyncIterator<DatasetImportRequest>): AsyncGenerator<FileChunk, void, void> {
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    const { part } = next.value;
    if (part?.$case !== 'chunk') throw single('part', 'after the header only chunks may come');
    yield part.value;
  }
}

function single(field: string, description: string): Error {
  return invalidArgument([{ field, description }]);
}
