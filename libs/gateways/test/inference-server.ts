import {
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import {
  GRPCInferenceServiceService,
  InferTensorContents,
  type ModelInferRequest,
  ModelInferResponse,
  type ModelMetadataRequest,
  ModelMetadataResponse,
} from '@percept/contracts';

/** A classifier as a server of the Open Inference Protocol may show it. */
export interface ServedModel {
  readonly inputs: { name: string; datatype: string; shape: number[] }[];
  readonly outputs: { name: string; datatype: string; shape: number[] }[];
  /** Logits of one image of the shape announced, flattened. */
  logits(image: Float32Array): number[];
  /** How the answer carries them. */
  readonly form: 'typed' | 'raw';
  /** Changes a sound answer. */
  spoil?(answer: ModelInferResponse, call: number): ModelInferResponse;
  /** The status of a call instead of an answer. */
  fails?(call: number): number | undefined;
  /** Never answers. */
  readonly hangs?: boolean;
}

/** A server of grpc-js alone, with the limits that grpc-js has unless told otherwise. */
export interface InferenceServer {
  readonly endpoint: string;
  /** Numbers of images of the inference calls so far. */
  readonly batches: readonly number[];
  close(): void;
}

/** Serves models by name over the generated service definition; typed and raw tensors come in. */
export async function serveModels(models: Readonly<Record<string, ServedModel>>): Promise<InferenceServer> {
  const batches: number[] = [];
  let calls = 0;
  const server = new Server();
  const find = (name: string): ServedModel => {
    const model = models[name];
    if (model === undefined) throw failure(status.NOT_FOUND, `Model ${name} not found`);
    return model;
  };
  const infer = (request: ModelInferRequest): ModelInferResponse => {
    const model = find(request.modelName);
    const failed = model.fails?.(calls++);
    if (failed !== undefined) throw failure(failed, 'as the test wants it');
    const [input] = request.inputs;
    const images = pixelsOf(request);
    const count = input?.shape[0] ?? 0;
    batches.push(count);
    const size = images.length / count;
    const logits = Array.from({ length: count }, (_, i) => model.logits(images.subarray(i * size, (i + 1) * size)));
    const answer = answerOf(request, model, logits);
    return model.spoil?.(answer, batches.length) ?? answer;
  };
  const metadata = (name: string): ModelMetadataResponse | undefined => {
    const { inputs, outputs, hangs } = find(name);
    return hangs ? undefined : ModelMetadataResponse.fromPartial({ name, inputs, outputs });
  };
  const handlers: UntypedServiceImplementation = {
    modelMetadata: answering<ModelMetadataRequest, ModelMetadataResponse>(({ name }) => metadata(name)),
    modelInfer: answering(infer),
  };
  server.addService(GRPCInferenceServiceService, handlers);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return { endpoint: `127.0.0.1:${port}`, batches, close: () => server.forceShutdown() };
}

/** Answers with what `work` gives, fails with what it throws, and says nothing where it gives nothing. */
function answering<Request, Answer>(work: (request: Request) => Answer | undefined): handleUnaryCall<Request, Answer> {
  return ({ request }, done) => {
    try {
      const answer = work(request);
      if (answer !== undefined) done(null, answer);
    } catch (error) {
      done(error as Partial<ServiceError>);
    }
  };
}

function failure(code: number, details: string): Partial<ServiceError> {
  return Object.assign(new Error(details), { code, details });
}

function pixelsOf({ inputs, rawInputContents: [raw] }: ModelInferRequest): Float32Array {
  if (raw === undefined) return Float32Array.from(inputs[0]?.contents?.fp32Contents ?? []);
  return new Float32Array(Uint8Array.from(raw).buffer);
}

function answerOf(request: ModelInferRequest, { outputs, form }: ServedModel, logits: number[][]): ModelInferResponse {
  const wanted = outputs.filter(({ name }) => request.outputs.some((asked) => asked.name === name));
  const values = logits.flat();
  const contentsOf = (datatype: string): InferTensorContents =>
    InferTensorContents.fromPartial(datatype === 'FP64' ? { fp64Contents: values } : { fp32Contents: values });
  const bytesOf = (datatype: string): Uint8Array =>
    new Uint8Array((datatype === 'FP64' ? Float64Array.from(values) : Float32Array.from(values)).buffer);
  return ModelInferResponse.fromPartial({
    modelName: request.modelName,
    modelVersion: '1',
    outputs: wanted.map(({ name, datatype }) => ({
      name,
      datatype,
      shape: [logits.length, logits[0]?.length ?? 0],
      ...(form === 'typed' ? { contents: contentsOf(datatype) } : {}),
    })),
    rawOutputContents: form === 'raw' ? wanted.map(({ datatype }) => bytesOf(datatype)) : [],
  });
}
