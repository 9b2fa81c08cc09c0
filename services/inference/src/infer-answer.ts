import {
  InferTensorContents,
  type ModelInferRequest,
  type ModelInferResponse,
  type ModelInferResponse_InferOutputTensor,
} from '@percept/contracts';
import type { AskedInference } from './read-infer-request.js';

/** The outputs of every model: logits, and their softmax. */
export const outputNames = ['logits', 'probabilities'] as const;

export type OutputName = (typeof outputNames)[number];

/** Answers with the asked outputs of `logits` [count, classes], in the form in which the images came. */
export function inferAnswer(
  { modelName, id }: ModelInferRequest,
  { count, outputs, raw }: AskedInference,
  version: number,
  logits: Float32Array,
): ModelInferResponse {
  const classes = logits.length / count;
  const values: Readonly<Record<OutputName, () => Float32Array>> = {
    logits: () => logits,
    probabilities: () => softmaxRows(logits, classes),
  };
  const tensors = outputs.map((name) => ({ name, data: values[name]() }));
  return {
    modelName,
    modelVersion: String(version),
    id,
    parameters: {},
    outputs: tensors.map(
      ({ name, data }): ModelInferResponse_InferOutputTensor => ({
        name,
        datatype: 'FP32',
        shape: [count, classes],
        parameters: {},
        contents: raw ? undefined : InferTensorContents.fromPartial({ fp32Contents: [...data] }),
      }),
    ),
    rawOutputContents: raw
      ? tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
      : [],
  };
}

/** Softmax of each row of `classes` values, computed from the row's largest value so that nothing overflows. */
export function softmaxRows(logits: Float32Array, classes: number): Float32Array {
  const probabilities = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += classes) {
    const row = logits.subarray(start, start + classes);
    const largest = row.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY);
    const powers = Array.from(row, (value) => Math.exp(value - largest));
    const sum = powers.reduce((total, power) => total + power, 0);
    probabilities.set(
      powers.map((power) => power / sum),
      start,
    );
  }
  return probabilities;
}
