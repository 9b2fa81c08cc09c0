import type { ComputePool } from '@percept/compute';
import {
  GRPCInferenceServiceService,
  type Model,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelMetadataResponse,
  type ModelReference,
  PerceptRpcError,
} from '@percept/contracts';
import type { ModelGateway } from '@percept/gateways';
import { modelSpecOf, modelWeightsOf } from '@percept/messages';
import { type CallContext, type MountedService, mount } from '@percept/platform';
import { inferAnswer, outputNames } from './infer-answer.js';
import { inputName, readInferRequest } from './read-infer-request.js';
import type { PredictTask } from './tasks.js';

/** What the service runs on. */
export interface InferenceDependencies {
  readonly models: ModelGateway;
  readonly pool: ComputePool;
  /** Version of this server, as it tells clients. */
  readonly version: string;
}

/**
 * The Open Inference Protocol (KServe V2) for every registered model: images NHWC in, logits and probabilities out. A model's name is its name in the
 * registry, or any other reference to it; its version is the registry's version number, empty for the newest.
 */
export function inferenceService(dependencies: InferenceDependencies): MountedService {
  const { models, version } = dependencies;
  return mount(GRPCInferenceServiceService, {
    serverLive: async () => ({ live: true }),
    serverReady: async () => ({ ready: true }),
    modelReady: async ({ name, version }, context) => ({ ready: await exists(models, name, version, context) }),
    serverMetadata: async () => ({ name: 'percept', version, extensions: [] }),
    modelMetadata: async ({ name, version }, context) =>
      describe(name, await models.describe(referenceTo(name, version), context)),
    modelInfer: (request, context) => infer(request, dependencies, context),
  });
}

function referenceTo(name: string, version: string): ModelReference {
  return { reference: { $case: 'registered', value: version === '' ? name : `${name}@${version}` } };
}

async function exists(models: ModelGateway, name: string, version: string, context: CallContext): Promise<boolean> {
  try {
    await models.describe(referenceTo(name, version), context);
    return true;
  } catch (error) {
    if (error instanceof PerceptRpcError && error.code === 'NOT_FOUND') return false;
    throw error;
  }
}

function describe(name: string, model: Model): ModelMetadataResponse {
  const { height, widthPixels, channels, classes } = modelSpecOf(model.spec);
  return {
    name,
    versions: [String(model.version)],
    platform: 'percept_preact_resnet',
    inputs: [{ name: inputName, datatype: 'FP32', shape: [-1, height, widthPixels, channels] }],
    outputs: outputNames.map((output) => ({ name: output, datatype: 'FP32', shape: [-1, classes] })),
  };
}

async function infer(
  request: ModelInferRequest,
  { models, pool }: InferenceDependencies,
  context: CallContext,
): Promise<ModelInferResponse> {
  const { model, weights } = await models.fetch(referenceTo(request.modelName, request.modelVersion), context);
  const asked = readInferRequest(request, modelSpecOf(model.spec));
  const task: PredictTask = { model: modelWeightsOf(model, weights), images: asked.images, count: asked.count };
  const logits = await pool.run<Float32Array>('predict', task, { signal: context.signal, priority: 'interactive' });
  return inferAnswer(request, asked, model.version, logits);
}
