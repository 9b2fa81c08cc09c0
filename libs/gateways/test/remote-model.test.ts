import { status } from '@grpc/grpc-js';
import { type ModelInferResponse, PerceptRpcError, type RemoteModel } from '@percept/contracts';
import {
  EndpointBusyError,
  EndpointUnavailableError,
  fetchRemoteModel,
  RemoteModelAnswerError,
  RemoteModelGateway,
  RemoteModelNotFoundError,
} from '@percept/gateways';
import { afterEach, describe, expect, it } from 'vitest';
import { type InferenceServer, type ServedModel, serveModels } from './inference-server.js';

const classes = 3;
/** Logits in float32, since that is what travels; `weight` is by pixel of an NHWC image. */
const logitsOf = (image: Float32Array, weight: (i: number, k: number) => number): number[] =>
  Array.from({ length: classes }, (_, k) => Math.fround(image.reduce((sum, x, i) => sum + x * weight(i, k), 0)));
const nhwcWeight = (i: number, k: number): number => ((i * 5 + k * 7) % 11) - 5;

const input = { name: 'images', datatype: 'FP32', shape: [-1, 4, 5, 3] };
const output = { name: 'logits', datatype: 'FP32', shape: [-1, classes] };
const served: ServedModel = {
  inputs: [input],
  outputs: [output],
  logits: (image) => logitsOf(image, nhwcWeight),
  form: 'typed',
};
const planar: ServedModel = {
  ...served,
  inputs: [{ ...input, shape: [-1, 3, 4, 5] }],
  logits: (image) => logitsOf(image, (i, k) => nhwcWeight((i % 20) * 3 + Math.floor(i / 20), k)),
};
const imagesOf = (count: number, size: number): Float32Array =>
  Float32Array.from({ length: count * size }, (_, i) => ((i * 37) % 101) / 101);
const expected = (images: Float32Array, count: number): Float32Array => {
  const size = images.length / count;
  return Float32Array.from(
    Array.from({ length: count }, (_, i) => logitsOf(images.subarray(i * size, (i + 1) * size), nhwcWeight)).flat(),
  );
};

let server: InferenceServer | undefined;

afterEach(() => {
  server?.close();
  server = undefined;
});

async function askedOf(model: ServedModel, change: Partial<RemoteModel> = {}): Promise<RemoteModel> {
  server = await serveModels({ model });
  return { endpoint: server.endpoint, name: 'model', version: '', input: '', output: '', ...change };
}

async function scoresOf(asked: RemoteModel, images: Float32Array, count: number): Promise<Float32Array> {
  const gateway = new RemoteModelGateway(await fetchRemoteModel(asked, undefined));
  try {
    return await gateway.scores(images, count);
  } finally {
    gateway.close();
  }
}

describe('a model behind an Open Inference endpoint', () => {
  it.each<[string, ServedModel]>([
    ['typed FP32', served],
    ['raw FP32', { ...served, form: 'raw' }],
    ['typed FP64', { ...served, outputs: [{ ...output, datatype: 'FP64' }] }],
    ['raw FP64', { ...served, form: 'raw', outputs: [{ ...output, datatype: 'FP64' }] }],
    ['a single image at a time', { ...served, inputs: [{ ...input, shape: [1, 4, 5, 3] }] }],
    ['channels before rows', planar],
  ])('gives the logits of NHWC images: %s', async (_, model) => {
    const asked = await askedOf(model);
    const images = imagesOf(7, 60);
    expect(await scoresOf(asked, images, 7)).toEqual(expected(images, 7));
  });

  it('is described by its metadata', async () => {
    expect(await fetchRemoteModel(await askedOf(planar), undefined)).toMatchObject({
      inputShape: [4, 5, 3],
      layout: 'NCHW',
      classes: 3,
      input: 'images',
      output: 'logits',
    });
  });

  it('is sent messages that a server with the default limit of 4 MiB takes', async () => {
    const size = 128 * 128 * 3;
    const asked = await askedOf({ ...served, inputs: [{ ...input, shape: [-1, 128, 128, 3] }] });
    const images = imagesOf(36, size);
    expect(await scoresOf(asked, images, 36)).toEqual(expected(images, 36));
    expect(server?.batches).toEqual([16, 16, 4]);
  });

  it('is asked again while its server says UNAVAILABLE, a few times', async () => {
    const asked = await askedOf({ ...served, fails: (call) => (call < 2 ? status.UNAVAILABLE : undefined) });
    const images = imagesOf(2, 60);
    expect(await scoresOf(asked, images, 2)).toEqual(expected(images, 2));
    server?.close();
    const gone = await askedOf({ ...served, fails: () => status.UNAVAILABLE });
    const failure = scoresOf(gone, images, 2);
    await expect(failure).rejects.toThrow(EndpointUnavailableError);
    await expect(failure).rejects.toThrow(gone.endpoint);
  });

  it('fails by naming the endpoint where nobody listens', async () => {
    const asked = await askedOf(served);
    server?.close();
    const failure = fetchRemoteModel(asked, undefined);
    await expect(failure).rejects.toThrow(EndpointUnavailableError);
    await expect(failure).rejects.toThrow(`${asked.endpoint} is not available: ECONNREFUSED`);
  });

  it('fails at the deadline where its server does not answer', async () => {
    const asked = await askedOf({ ...served, hangs: true });
    const failure = fetchRemoteModel(asked, undefined, { deadline: new Date(Date.now() + 50) });
    await expect(failure).rejects.toThrow('did not answer in time');
  });

  it('is not asked any more once the signal has fired', async () => {
    const controller = new AbortController();
    const asked = await askedOf({
      ...served,
      logits: (image) => {
        controller.abort(new Error('enough'));
        return served.logits(image);
      },
      inputs: [{ ...input, shape: [1, 4, 5, 3] }],
    });
    const gateway = new RemoteModelGateway(await fetchRemoteModel(asked, undefined), controller.signal);
    await expect(gateway.scores(imagesOf(5, 60), 5)).rejects.toThrow('enough');
    expect(server?.batches).toEqual([1]);
    gateway.close();
  });

  it.each<[string, ServedModel, RegExp]>([
    ['another type of input', { ...served, inputs: [{ ...input, datatype: 'UINT8' }] }, /input images is UINT8/],
    ['an input that is no image', { ...served, inputs: [{ ...input, shape: [-1, 60] }] }, /\[-1, 60\], no images/],
    ['sides that are not told', { ...served, inputs: [{ ...input, shape: [-1, -1, -1, 3] }] }, /no images/],
    ['an output that holds no logits', { ...served, outputs: [{ ...output, shape: [-1, 1] }] }, /logits are \[batch/],
    ['another type of output', { ...served, outputs: [{ ...output, datatype: 'INT64' }] }, /output logits is INT64/],
    ['no description', { ...served, inputs: [] }, /does not describe its inputs/],
  ])('is refused for %s', async (_, model, problem) => {
    const failure = fetchRemoteModel(await askedOf(model), undefined);
    await expect(failure).rejects.toThrow(RemoteModelAnswerError);
    await expect(failure).rejects.toThrow(problem);
  });

  const spoilt = (change: (answer: ModelInferResponse, call: number) => Partial<ModelInferResponse>): ServedModel => ({
    ...served,
    inputs: [{ ...input, shape: [1, 4, 5, 3] }],
    spoil: (answer, call) => ({ ...answer, ...change(answer, call) }),
  });
  const reshaped = ({ outputs }: ModelInferResponse): Partial<ModelInferResponse> => ({
    outputs: outputs.map((one) => ({ ...one, shape: [3, 1] })),
  });
  const shortened = ({ outputs }: ModelInferResponse): Partial<ModelInferResponse> => ({
    outputs: outputs.map((one) => ({ ...one, contents: undefined })),
  });
  it.each<[string, ServedModel, RegExp]>([
    ['of another shape', spoilt(reshaped), /shape \[3, 1\] instead of \[1, 3\]/],
    ['without values', spoilt(shortened), /0 values of logits instead of 3/],
    ['without the output', spoilt(() => ({ outputs: [] })), /without its output logits/],
    ['that are no numbers', { ...served, logits: () => [0, Number.NaN, 1] }, /not finite: value 1 of logits is NaN/],
    ['cut short', spoilt(() => ({ rawOutputContents: [new Uint8Array(5)] })), /half a value/],
    ['of a version that changes', spoilt((_, call) => ({ modelVersion: String(call) })), /version changed from 1 to 2/],
    ['of a refusal', { ...served, fails: () => status.INVALID_ARGUMENT }, /refused with INVALID_ARGUMENT: as the test/],
  ])('fails on answers %s', async (_, model, problem) => {
    const failure = scoresOf(await askedOf(model), imagesOf(2, 60), 2);
    await expect(failure).rejects.toThrow(RemoteModelAnswerError);
    await expect(failure).rejects.toThrow(problem);
  });

  it('fails for a name that is none, and for a server that takes no more calls', async () => {
    const asked = await askedOf({ ...served, fails: () => status.RESOURCE_EXHAUSTED });
    const nobody = fetchRemoteModel({ ...asked, name: 'nobody', version: '3' }, undefined);
    await expect(nobody).rejects.toThrow(RemoteModelNotFoundError);
    await expect(nobody).rejects.toThrow(`no model "nobody" of version 3 on ${asked.endpoint}`);
    await expect(scoresOf(asked, imagesOf(1, 60), 1)).rejects.toThrow(EndpointBusyError);
  });

  it('must be told its output where there are several', async () => {
    const both = { ...served, outputs: [output, { ...output, name: 'probabilities' }] };
    const asked = await askedOf(both);
    const failure = await fetchRemoteModel(asked, undefined).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(PerceptRpcError);
    expect(failure).toMatchObject({
      code: 'INVALID_ARGUMENT',
      violations: [{ field: 'model.remote.output', description: 'must name one of logits, probabilities, got ""' }],
    });
    const images = imagesOf(1, 60);
    expect(await scoresOf({ ...asked, output: 'logits' }, images, 1)).toEqual(expected(images, 1));
  });
});
