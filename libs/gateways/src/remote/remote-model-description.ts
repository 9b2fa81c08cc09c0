import {
  type ClientTls,
  invalidArgument,
  type ModelMetadataResponse,
  type ModelMetadataResponse_TensorMetadata,
  type RemoteModel,
} from '@percept/contracts';
import { RemoteModelAnswerError, type RemoteName } from './errors.js';

/** The order of an image tensor's dimensions. */
export type ImageLayout = 'NHWC' | 'NCHW';

/** An image classifier behind an Open Inference endpoint. Plain data, so that it can go to a worker thread. */
export interface RemoteModelDescription extends RemoteName {
  /** Absent: the connection is in clear. */
  readonly tls?: ClientTls;
  /** Name of the image input. */
  readonly input: string;
  /** Name of the output of logits. */
  readonly output: string;
  /** Height, width, channels. */
  readonly inputShape: readonly [number, number, number];
  readonly layout: ImageLayout;
  /** The most images of one message that the model takes; Infinity: any number. */
  readonly batch: number;
  readonly classes: number;
}

/** The most channels of an image; tells a layout by which side is that short. */
const mostChannels = 4;

/**
 * Reads from a model's metadata how its images and logits look: one FP32 input of four dimensions, the image's given, and one FP32 or FP64 output [batch, classes].
 *
 * @throws PerceptRpcError INVALID_ARGUMENT where the request must name an input or an output, RemoteModelAnswerError for a model of another kind.
 */
export function describeRemoteModel(
  asked: RemoteModel,
  metadata: ModelMetadataResponse,
  tls?: ClientTls,
): RemoteModelDescription {
  const refuse = (problem: string): never => {
    throw new RemoteModelAnswerError(asked, problem);
  };
  const input = choose(asked.input, metadata.inputs, 'input', refuse);
  const output = choose(asked.output, metadata.outputs, 'output', refuse);
  if (input.datatype !== 'FP32') refuse(`its input ${input.name} is ${input.datatype}; images are sent as FP32`);
  if (!['FP32', 'FP64'].includes(output.datatype))
    refuse(`its output ${output.name} is ${output.datatype}; logits are FP32 or FP64`);
  const { layout, inputShape } =
    imageShape(input) ?? refuse(`its input ${input.name} is ${shapeText(input)}, no images`);
  const [, classes = 0] = output.shape;
  if (output.shape.length !== 2 || classes < 2)
    refuse(`its output ${output.name} is ${shapeText(output)}; logits are [batch, classes], 2 classes at least`);
  const [batch = 0] = input.shape;
  return {
    endpoint: asked.endpoint,
    name: asked.name,
    version: asked.version,
    ...(tls === undefined ? {} : { tls }),
    input: input.name,
    output: output.name,
    inputShape,
    layout,
    batch: batch > 0 ? batch : Number.POSITIVE_INFINITY,
    classes,
  };
}

function choose(
  wanted: string,
  tensors: readonly ModelMetadataResponse_TensorMetadata[],
  kind: 'input' | 'output',
  refuse: (problem: string) => never,
): ModelMetadataResponse_TensorMetadata {
  const [first] = tensors;
  if (first === undefined) return refuse(`its server does not describe its ${kind}s`);
  const found = wanted === '' && tensors.length === 1 ? first : tensors.find(({ name }) => name === wanted);
  if (found !== undefined) return found;
  const names = tensors.map(({ name }) => name).join(', ');
  throw invalidArgument([{ field: `model.remote.${kind}`, description: `must name one of ${names}, got "${wanted}"` }]);
}

function imageShape({
  shape,
}: ModelMetadataResponse_TensorMetadata): Pick<RemoteModelDescription, 'layout' | 'inputShape'> | undefined {
  const [, a = 0, b = 0, c = 0] = shape;
  if (shape.length !== 4 || Math.min(a, b, c) < 1) return undefined;
  if (c <= mostChannels) return { layout: 'NHWC', inputShape: [a, b, c] };
  return a <= mostChannels ? { layout: 'NCHW', inputShape: [b, c, a] } : undefined;
}

function shapeText({ shape }: ModelMetadataResponse_TensorMetadata): string {
  return `[${shape.join(', ')}]`;
}
