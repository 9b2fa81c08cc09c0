import { InferTensorContents, ModelInferRequest, type ModelInferResponse } from '@percept/contracts';
import { RemoteModelAnswerError } from './errors.js';
import type { RemoteModelDescription } from './remote-model-description.js';

/** Bytes of images in one message: servers take 4 MiB at most unless told otherwise, and names and shapes need room too. */
const bytesPerMessage = 3 * 1024 * 1024;

/** How many images go into one message, at least 1. */
export function imagesPerMessage({ inputShape: [height, width, channels], batch }: RemoteModelDescription): number {
  const bytes = height * width * channels * Float32Array.BYTES_PER_ELEMENT;
  return Math.max(1, Math.min(batch, Math.floor(bytesPerMessage / bytes)));
}

/** Asks for the logits of `count` flattened NHWC images; pixels travel as raw bytes. */
export function inferRequest(model: RemoteModelDescription, rows: Float32Array, count: number): ModelInferRequest {
  const [height, width, channels] = model.inputShape;
  const pixels = model.layout === 'NHWC' ? rows : planes(rows, count, model.inputShape);
  return ModelInferRequest.fromPartial({
    modelName: model.name,
    modelVersion: model.version,
    inputs: [
      {
        name: model.input,
        datatype: 'FP32',
        shape: model.layout === 'NHWC' ? [count, height, width, channels] : [count, channels, height, width],
      },
    ],
    outputs: [{ name: model.output }],
    rawInputContents: [new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength)],
  });
}

/**
 * The logits [count, classes] of an answer, raw or typed, FP32 or FP64 (rounded to float32).
 *
 * @throws RemoteModelAnswerError for an answer of another shape or type, or with a logit that is not finite.
 */
export function logitsOf(model: RemoteModelDescription, answer: ModelInferResponse, count: number): Float32Array {
  const refuse = (problem: string): never => {
    throw new RemoteModelAnswerError(model, problem);
  };
  const index = answer.outputs.findIndex(({ name }) => name === model.output);
  const output = answer.outputs[index] ?? refuse(`it answered without its output ${model.output}`);
  const wanted = [count, model.classes];
  if (output.shape.join() !== wanted.join())
    refuse(`it answered ${output.name} of shape [${output.shape.join(', ')}] instead of [${wanted.join(', ')}]`);
  const raw = answer.rawOutputContents[index];
  const values =
    (raw === undefined ? typedValues(output.datatype, output.contents) : rawValues(output.datatype, raw)) ??
    refuse(`it answered ${output.name} as ${output.datatype}, or with half a value; logits are FP32 or FP64`);
  const size = count * model.classes;
  if (values.length !== size) refuse(`it answered ${values.length} values of ${output.name} instead of ${size}`);
  const logits = Float32Array.from(values);
  const wrong = logits.findIndex((value) => !Number.isFinite(value));
  if (wrong >= 0)
    refuse(`it answered logits that are not finite: value ${wrong} of ${output.name} is ${logits[wrong]}`);
  return logits;
}

function typedValues(
  datatype: string,
  contents: InferTensorContents = InferTensorContents.create(),
): number[] | undefined {
  if (datatype === 'FP32') return contents.fp32Contents;
  return datatype === 'FP64' ? contents.fp64Contents : undefined;
}

function rawValues(datatype: string, bytes: Uint8Array): Float32Array | Float64Array | undefined {
  const Values = { FP32: Float32Array, FP64: Float64Array }[datatype];
  if (Values === undefined || bytes.byteLength % Values.BYTES_PER_ELEMENT !== 0) return undefined;
  // A copy, since the bytes of a message are aligned to nothing.
  return new Values(Uint8Array.from(bytes).buffer);
}

/** NHWC as NCHW. */
function planes(
  rows: Float32Array,
  count: number,
  [height, width, channels]: readonly [number, number, number],
): Float32Array {
  const area = height * width;
  const moved = new Float32Array(rows.length);
  for (let image = 0; image < count; image++) {
    const start = image * area * channels;
    for (let at = 0; at < area; at++)
      for (let channel = 0; channel < channels; channel++)
        moved[start + channel * area + at] = rows[start + at * channels + channel] as number;
  }
  return moved;
}
