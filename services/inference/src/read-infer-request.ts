import type { InferTensorContents, ModelInferRequest } from '@percept/contracts';
import type { ModelSpec } from '@percept/models';
import { Violations } from '@percept/platform';
import { type OutputName, outputNames } from './infer-answer.js';

/** Name of the only input: NHWC images, FP32 in [0, 1] or UINT8 in 0 .. 255. */
export const inputName = 'images';

/** The most images of one call. */
const mostImages = 4_096;

const bytesPerValue: Readonly<Record<string, number>> = { FP32: 4, UINT8: 1 };

/** A checked inference request. */
export interface AskedInference {
  /** Flattened NHWC, in [0, 1]. */
  readonly images: Float32Array;
  readonly count: number;
  readonly outputs: readonly OutputName[];
  /** Whether tensors travel as raw bytes; the answer takes the form of the question. */
  readonly raw: boolean;
}

/** Checks a request against the model's input. @throws PerceptRpcError INVALID_ARGUMENT with every violation. */
export function readInferRequest(
  request: ModelInferRequest,
  { height, widthPixels, channels }: Pick<ModelSpec, 'height' | 'widthPixels' | 'channels'>,
): AskedInference {
  const violations = new Violations();
  const outputs = askedOutputs(request, violations);
  const { inputs, rawInputContents } = request;
  violations.check(inputs.length === 1, 'inputs', `needs one tensor, ${inputName}, got ${inputs.length}`);
  const raw = rawInputContents.length > 0;
  if (raw)
    violations.check(
      rawInputContents.length === inputs.length,
      'raw_input_contents',
      `needs one entry per input (${inputs.length}), got ${rawInputContents.length}`,
    );
  violations.throwIfAny();
  const { name, datatype, shape, contents } = inputs[0] as (typeof inputs)[number];
  violations.check(name === inputName, 'inputs[0].name', `must be ${inputName}, got "${name}"`);
  violations.check(datatype in bytesPerValue, 'inputs[0].datatype', `must be FP32 or UINT8, got "${datatype}"`);
  const [count = 0, ...image] = shape;
  const expected = [height, widthPixels, channels];
  violations.check(
    image.join() === expected.join(),
    'inputs[0].shape',
    `must be [images, ${expected.join(', ')}], got [${shape.join(', ')}]`,
  );
  violations.integer(count, 'inputs[0].shape[0]', 1, mostImages);
  violations.check(!raw || contents === undefined, 'inputs[0].contents', 'must be absent with raw_input_contents');
  violations.throwIfAny();
  const size = count * height * widthPixels * channels;
  const images = raw
    ? rawValues(rawInputContents[0] as Uint8Array, datatype, size, violations)
    : typedValues(contents, datatype, size, violations);
  violations.throwIfAny();
  const outside = images.findIndex((value) => !(value >= 0 && value <= 1));
  violations.check(
    outside < 0,
    raw ? 'raw_input_contents[0]' : 'inputs[0].contents',
    `value ${outside} is ${images[outside]}; pixels lie in [0, 1]`,
  );
  violations.throwIfAny();
  return { images, count, outputs, raw };
}

function askedOutputs({ outputs }: ModelInferRequest, violations: Violations): OutputName[] {
  if (outputs.length === 0) return [...outputNames];
  return outputs.flatMap(({ name }, i) => {
    const known = outputNames.find((output) => output === name);
    violations.check(
      known !== undefined,
      `outputs[${i}].name`,
      `there is no output "${name}"; there are ${outputNames.join(', ')}`,
    );
    return known === undefined ? [] : [known];
  });
}

function rawValues(bytes: Uint8Array, datatype: string, size: number, violations: Violations): Float32Array {
  const needed = size * (bytesPerValue[datatype] as number);
  const sound = violations.check(
    bytes.byteLength === needed,
    'raw_input_contents[0]',
    `needs ${needed} bytes of ${datatype}, got ${bytes.byteLength}`,
  );
  if (!sound) return new Float32Array(0);
  if (datatype === 'UINT8') return Float32Array.from(bytes, (value) => value / 255);
  // A copy, since the bytes of a message are aligned to nothing.
  return new Float32Array(Uint8Array.from(bytes).buffer);
}

function typedValues(
  contents: InferTensorContents | undefined,
  datatype: string,
  size: number,
  violations: Violations,
): Float32Array {
  const [field, values] =
    datatype === 'UINT8'
      ? (['uint_contents', contents?.uintContents ?? []] as const)
      : (['fp32_contents', contents?.fp32Contents ?? []] as const);
  violations.check(
    values.length === size,
    `inputs[0].contents.${field}`,
    `needs ${size} values for ${datatype}, got ${values.length}`,
  );
  return Float32Array.from(values, datatype === 'UINT8' ? (value) => value / 255 : (value) => value);
}
