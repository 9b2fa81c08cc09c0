import { InferTensorContents, ModelInferRequest, PerceptRpcError } from '@percept/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inferAnswer, softmaxRows } from '../src/infer-answer.js';
import { readInferRequest } from '../src/read-infer-request.js';

const spec = { height: 2, widthPixels: 3, channels: 1 };
const pixels = Float32Array.from({ length: 12 }, (_, i) => i / 12);
const bytesOf = (values: Float32Array): Uint8Array =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

const typed = (change: object = {}): ModelInferRequest =>
  ModelInferRequest.fromPartial({
    inputs: [
      {
        name: 'images',
        datatype: 'FP32',
        shape: [2, 2, 3, 1],
        contents: InferTensorContents.fromPartial({ fp32Contents: [...pixels] }),
        ...change,
      },
    ],
  });
const raw = (bytes: Uint8Array, change: object = {}): ModelInferRequest =>
  ModelInferRequest.fromPartial({
    inputs: [{ name: 'images', datatype: 'FP32', shape: [2, 2, 3, 1], ...change }],
    rawInputContents: [bytes],
  });

function refusal(request: ModelInferRequest): string[] {
  try {
    readInferRequest(request, spec);
  } catch (error) {
    if (error instanceof PerceptRpcError && error.code === 'INVALID_ARGUMENT')
      return error.violations.map(({ field }) => field);
    throw error;
  }
  return [];
}

describe('readInferRequest', () => {
  it.each([
    ['typed FP32', typed()],
    ['raw FP32', raw(bytesOf(pixels))],
    ['raw FP32 at an odd address', raw(new Uint8Array([0, ...bytesOf(pixels)]).subarray(1))],
  ])('reads images given as %s', (_, request) => {
    expect(readInferRequest(request, spec)).toMatchObject({ images: pixels, count: 2 });
  });

  it.each([
    [
      'typed UINT8',
      typed({ datatype: 'UINT8', contents: InferTensorContents.fromPartial({ uintContents: Array(12).fill(51) }) }),
    ],
    ['raw UINT8', raw(new Uint8Array(12).fill(51), { datatype: 'UINT8' })],
  ])('divides %s by 255', (_, request) => {
    expect(readInferRequest(request, spec).images).toEqual(new Float32Array(12).fill(0.2));
  });

  it.each([
    ['no input', ModelInferRequest.fromPartial({}), ['inputs']],
    ['an input of another name', typed({ name: 'x' }), ['inputs[0].name']],
    ['another type', typed({ datatype: 'FP64' }), ['inputs[0].datatype']],
    ['another size', typed({ shape: [2, 3, 2, 1] }), ['inputs[0].shape']],
    ['no images', typed({ shape: [0, 2, 3, 1] }), ['inputs[0].shape[0]']],
    [
      'too few values',
      typed({ contents: InferTensorContents.fromPartial({ fp32Contents: [0] }) }),
      ['inputs[0].contents.fp32_contents'],
    ],
    ['too few bytes', raw(new Uint8Array(5)), ['raw_input_contents[0]']],
    ['a pixel above 1', raw(bytesOf(pixels.map((value) => value * 2))), ['raw_input_contents[0]']],
    ['a pixel that is no number', raw(bytesOf(pixels.map(() => Number.NaN))), ['raw_input_contents[0]']],
    ['raw bytes beside typed values', { ...typed(), rawInputContents: [bytesOf(pixels)] }, ['inputs[0].contents']],
    ['an output that is not there', { ...typed(), outputs: [{ name: 'y', parameters: {} }] }, ['outputs[0].name']],
    [
      'several mistakes',
      typed({ name: 'x', datatype: 'BYTES', shape: [1] }),
      ['inputs[0].name', 'inputs[0].datatype', 'inputs[0].shape'],
    ],
  ])('refuses %s, naming the field', (_, request, fields) => {
    expect(refusal(request)).toEqual(fields);
  });
});

describe('inferAnswer', () => {
  const logits = Float32Array.from([1, 2, 3, 4, 5, 7]);

  it('answers raw to raw and typed to typed', () => {
    const request = ModelInferRequest.fromPartial({ modelName: 'pgd', id: '7' });
    const asked = { images: pixels, count: 2, outputs: ['logits'] as const };
    const typedAnswer = inferAnswer(request, { ...asked, raw: false }, 3, logits);
    expect(typedAnswer).toMatchObject({ modelName: 'pgd', modelVersion: '3', id: '7', rawOutputContents: [] });
    expect(typedAnswer.outputs[0]).toMatchObject({ shape: [2, 3], contents: { fp32Contents: [...logits] } });
    const rawAnswer = inferAnswer(request, { ...asked, raw: true }, 3, logits);
    expect(rawAnswer.outputs[0]?.contents).toBeUndefined();
    expect(Buffer.from(rawAnswer.rawOutputContents[0] as Uint8Array)).toEqual(Buffer.from(bytesOf(logits)));
  });

  it('gives probabilities that are positive and add up to 1, also for logits of hundreds', () => {
    const value = fc.float({ min: -900, max: 900, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 5, maxLength: 5 }), (row) => {
        const probabilities = softmaxRows(Float32Array.from(row), 5);
        expect(Math.min(...probabilities)).toBeGreaterThanOrEqual(0);
        expect(probabilities.reduce((sum, one) => sum + one, 0)).toBeCloseTo(1, 5);
      }),
    );
  });
});
