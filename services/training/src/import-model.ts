import { randomUUID } from 'node:crypto';
import {
  type FileChunk,
  invalidArgument,
  isSha256Hex,
  joinFileChunks,
  type Model,
  ModelFormat,
  type ModelsImportHeader,
  type ModelsImportRequest,
  sha256Hex,
} from '@percept/contracts';
import { modelSpecOf } from '@percept/messages';
import { type ModelSpec, readTorchCheckpoint } from '@percept/models';
import { Violations } from '@percept/platform';
import { readSafetensors } from '@percept/tensor';
import { canonicalWeights, networkSize } from './canonical-weights.js';
import type { ModelRegistry } from './model-registry.js';
import { checkModelName } from './validate-name.js';

const importedFormats: readonly ModelFormat[] = [ModelFormat.UNSPECIFIED, ModelFormat.SAFETENSORS, ModelFormat.PYTORCH];

/** The largest file that is taken, in bytes. */
const largestFile = 1024 * 1024 * 1024;

/** Reads an import's stream, checks header, file and weights, and registers them. Nothing is kept of an import that fails. */
export async function importModel(
  requests: AsyncIterable<ModelsImportRequest>,
  registry: ModelRegistry,
): Promise<Model> {
  const iterator = requests[Symbol.asyncIterator]();
  const first = await iterator.next();
  const header = first.done ? undefined : headerOf(first.value);
  const checked = checkHeader(header);
  const bytes = await receiveFile(chunksOf(iterator), checked);
  const tensors = checked.format === ModelFormat.PYTORCH ? readTorchCheckpoint(bytes) : readSafetensors(bytes).tensors;
  const spec = completeSpec(checked, networkSize(tensors));
  const { bytes: weights, parameterCount } = canonicalWeights(spec, tensors);
  const { classNames } = checked;
  checkClassNames(classNames, spec);
  return await registry.register(
    weights,
    {
      name: checked.name,
      spec: { ...spec, blocks: [...spec.blocks], mean: [...spec.mean], std: [...spec.std] },
      classNames,
      training: undefined,
      metrics: {},
      description: checked.description,
      parameterCount,
    },
    checked.requestId === '' ? randomUUID() : checked.requestId,
  );
}

function headerOf({ part }: ModelsImportRequest): ModelsImportHeader | undefined {
  return part?.$case === 'header' ? part.value : undefined;
}

async function* chunksOf(rest: AsyncIterator<ModelsImportRequest>): AsyncGenerator<FileChunk, void, void> {
  for (let next = await rest.next(); !next.done; next = await rest.next()) {
    const { part } = next.value;
    if (part?.$case !== 'chunk') throw single('part', 'after the header only chunks may come');
    yield part.value;
  }
}

function checkHeader(header: ModelsImportHeader | undefined): ModelsImportHeader {
  if (header === undefined) throw single('part', 'the first message must be the header');
  const violations = new Violations();
  violations.check(
    importedFormats.includes(header.format),
    'header.format',
    'must be SAFETENSORS or PYTORCH: the other formats are for export only',
  );
  violations.requestId(header.requestId, 'header.request_id');
  checkModelName(violations, header.name, 'header.name');
  violations.check(
    header.spec !== undefined,
    'header.spec',
    'must be given: image size, mean and std are not in the weights',
  );
  violations.integer(header.sizeBytes, 'header.size_bytes', 1, largestFile);
  violations.check(
    header.sha256 === '' || isSha256Hex(header.sha256),
    'header.sha256',
    'must be 64 lower-case hex digits',
  );
  violations.check(header.description.length <= 10_000, 'header.description', 'must be at most 10,000 characters');
  violations.throwIfAny();
  return header;
}

async function receiveFile(chunks: AsyncIterable<FileChunk>, header: ModelsImportHeader): Promise<Uint8Array> {
  let bytes: Uint8Array | undefined;
  for await (const file of joinFileChunks(chunks, { maxBytes: header.sizeBytes, maxFiles: 1 })) bytes = file.bytes;
  if (bytes === undefined) throw single('chunk', 'the file must follow the header');
  if (bytes.byteLength !== header.sizeBytes) {
    throw single('header.size_bytes', `says ${header.sizeBytes}, but the file has ${bytes.byteLength} bytes`);
  }
  if (header.sha256 !== '' && sha256Hex(bytes) !== header.sha256) {
    throw single('header.sha256', `the file has the SHA-256 ${sha256Hex(bytes)}`);
  }
  return bytes;
}

/** The specification of the header with what it leaves open read from the weights; where both speak, they must agree. */
function completeSpec({ spec }: ModelsImportHeader, found: ReturnType<typeof networkSize>): ModelSpec {
  const violations = new Violations();
  const agree = (field: string, said: readonly number[], read: readonly number[]): void => {
    const isOpen = said.every((value) => value === 0);
    violations.check(
      isOpen || said.join() === read.join(),
      `header.spec.${field}`,
      `says ${said.join(', ')}, but the weights have ${read.join(', ')}`,
    );
  };
  agree('width', [spec?.width ?? 0], [found.width]);
  agree('blocks', spec?.blocks ?? [], found.blocks);
  agree('classes', [spec?.classes ?? 0], [found.classes]);
  agree('channels', [spec?.channels ?? 0], [found.channels]);
  const complete = violations.collect(
    () =>
      modelSpecOf({
        architecture: spec?.architecture === '' ? 'preact-resnet' : (spec?.architecture ?? 'preact-resnet'),
        ...found,
        blocks: [...found.blocks],
        height: spec?.height ?? 0,
        widthPixels: spec?.widthPixels ?? 0,
        mean: spec?.mean ?? [],
        std: spec?.std ?? [],
      }),
    'header.spec.',
  );
  violations.throwIfAny();
  return complete as ModelSpec;
}

function checkClassNames(classNames: readonly string[], { classes }: ModelSpec): void {
  if (classNames.length > 0 && classNames.length !== classes) {
    throw single('header.class_names', `needs one name per class (${classes}), got ${classNames.length}`);
  }
}

function single(field: string, description: string): Error {
  return invalidArgument([{ field, description }]);
}
