import {
  fileChunks,
  type ModelsDeleteRequest,
  type ModelsExportRequest,
  type ModelsExportResponse,
  type ModelsListRequest,
  type ModelsListResponse,
  ModelsService,
  type ModelsSetAliasRequest,
  type ModelsSetAliasResponse,
} from '@percept/contracts';
import { type MountedService, mount, Violations } from '@percept/platform';
import { answering } from './answering.js';
import { exportedFiles, isExported } from './exported-files.js';
import { importModel } from './import-model.js';
import { parseReference } from './model-reference.js';
import type { ModelRegistry } from './model-registry.js';

const defaultPageSize = 100;
const largestPageSize = 1_000;

/** `percept.v1.Models` over a registry. */
export function modelsService(registry: ModelRegistry): MountedService {
  return mount(ModelsService, {
    list: (request) => listModels(registry, request),
    get: async ({ model }) => {
      checkReference(model);
      return { model: await answering(() => registry.get(model)) };
    },
    import: async (requests) => ({ model: await answering(() => importModel(requests, registry)) }),
    export: (request) => exportModel(registry, request),
    setAlias: (request) => setAlias(registry, request),
    delete: async (request) => {
      await deleteModel(registry, request);
      return {};
    },
  });
}

async function listModels(registry: ModelRegistry, request: ModelsListRequest): Promise<ModelsListResponse> {
  const violations = new Violations();
  if (request.name !== '') violations.resourceName(request.name, 'name');
  violations.integer(request.pageSize, 'page_size', 0, largestPageSize);
  violations.check(
    /^([0-9TZ:.-]{24}_[0-9a-f-]{25})?$/.test(request.pageToken),
    'page_token',
    'the page_token is not one of this service',
  );
  violations.throwIfAny();
  const pageSize = request.pageSize === 0 ? defaultPageSize : request.pageSize;
  return await registry.list(request.name, pageSize, request.pageToken);
}

async function* exportModel(
  registry: ModelRegistry,
  { model: reference, format }: ModelsExportRequest,
): AsyncGenerator<ModelsExportResponse, void, void> {
  checkReference(reference);
  const violations = new Violations();
  violations.check(
    isExported(format),
    'format',
    'must be SAFETENSORS, ONNX or TFJS: PyTorch checkpoints are for import only',
  );
  violations.throwIfAny();
  const files = await answering(async () => {
    const model = await registry.get(reference);
    return exportedFiles(format, model, await registry.weights(model));
  });
  for (const [name, bytes] of Object.entries(files)) for (const chunk of fileChunks(name, bytes)) yield { chunk };
}

async function setAlias(registry: ModelRegistry, request: ModelsSetAliasRequest): Promise<ModelsSetAliasResponse> {
  const violations = new Violations();
  violations.requestId(request.requestId);
  violations.resourceName(request.name, 'name');
  violations.resourceName(request.alias, 'alias');
  violations.integer(request.version, 'version', 0, 999_999_999);
  violations.throwIfAny();
  const { name, alias, version, requestId } = request;
  return { model: await answering(() => registry.setAlias(name, alias, version, requestId)) };
}

async function deleteModel(registry: ModelRegistry, request: ModelsDeleteRequest): Promise<void> {
  const violations = new Violations();
  violations.requestId(request.requestId);
  const parsed = parseReference(request.model);
  violations.check(
    parsed?.kind === 'id' || parsed?.kind === 'version',
    'model',
    'must be NAME@VERSION or an id: a bare name or an alias may point elsewhere tomorrow',
  );
  violations.throwIfAny();
  await answering(() => registry.delete(request.model, request.requestId));
}

function checkReference(reference: string): void {
  const violations = new Violations();
  violations.check(parseReference(reference) !== undefined, 'model', 'must be NAME, NAME@ALIAS, NAME@VERSION or an id');
  violations.throwIfAny();
}
